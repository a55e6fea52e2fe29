package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/manifest"
	orders "crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/internal/cli"
)

func newExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what a cluster holds as manifests for another one",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newExportJob(), newExportAll())
	return cmd
}

// exportFlags are those that both commands have.
type exportFlags struct {
	namespace, output, kubeconfig, context string
}

func (f *exportFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` to read (default: that of the kubeconfig's context)")
	fl.StringVarP(&f.output, "output", "o", "yaml", "`FORMAT`: yaml, or json for one List")
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` that says how to reach the cluster (default: $KUBECONFIG, else ~/.kube/config)")
	fl.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context (default: its current one)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"yaml", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func (f *exportFlags) check() error {
	if f.output != "yaml" && f.output != "json" {
		return cli.Usage("-o %q: must be yaml or json", f.output)
	}
	return nil
}

// exportJob is an export of orders.
type exportJob struct {
	exportFlags
	requestedBy  string
	noConfigMaps bool
}

func newExportJob() *cobra.Command {
	var f exportJob
	cmd := &cobra.Command{
		Use:   "job NAME...",
		Short: "Write CrawlJobs as orders that can be given elsewhere",
		Long: `Job writes CrawlJob NAME as a manifest for kubectl apply, in this cluster or another one: the
order, and the ConfigMaps with seeds and scripts that it names. It is a new order there: nothing
of its crawl goes along, no status, no namespace, no approval and no schedule, and a state of
Cancelled is left out. What a run has captured is handed over with crawlctl runs export; to move
a fleet with its runs: crawlctl export all.

What cannot be written, and what somebody has to see to, is said on standard error:
  who orders       the API server takes only a requestedBy that is the name of whoever applies
                   it, or who may order for others: --requested-by writes another name
  BrowserProfile   a log-in is not written: make one there with crawlctl profile create
  compareWith      the earlier run has to be there

Exit codes:
  0  it was written
  1  there is no such order, or a ConfigMap that it names is missing
  2  the command line made no sense, or no cluster was found`,
		Example: `  crawlctl export job board -n research > board.yaml
  crawlctl export job board -n research --requested-by ann@partner.example |
    kubectl --context partner -n cases apply -f -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage("want the NAME of a CrawlJob")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return f.complete(cmd.Context(), args, typed), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.requestedBy, "requested-by", "", "`NAME` of whoever orders it there, in place of who did here")
	cmd.Flags().BoolVar(&f.noConfigMaps, "no-configmaps", false, "write the orders alone")
	return cmd
}

// complete are the CrawlJobs that begin with what was typed; none when the cluster does not say.
func (f *exportJob) complete(ctx context.Context, args []string, typed string) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, namespace, err := reach(f.kubeconfig, f.context, f.namespace)
	if err != nil {
		return nil
	}
	var list v1alpha1.CrawlJobList
	if c.List(ctx, &list, client.InNamespace(namespace)) != nil {
		return nil
	}
	for i := range list.Items {
		if name := list.Items[i].Name; strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names
}

func (f *exportJob) run(ctx context.Context, names []string, out, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	c, namespace, err := reach(f.kubeconfig, f.context, f.namespace)
	if err != nil {
		return err
	}
	m := exported{reader: c}
	for _, name := range names {
		if err := f.order(ctx, &m, client.ObjectKey{Namespace: namespace, Name: name}, stderr); err != nil {
			return err
		}
	}
	return m.write(out, f.output)
}

// order takes one order, and what it names before it.
func (f *exportJob) order(ctx context.Context, m *exported, key client.ObjectKey, stderr io.Writer) error {
	job, _, err := readOrder(ctx, m.reader, key)
	if err != nil {
		return err
	}
	held, err := m.read(ctx, v1alpha1.GroupVersion.String(), "CrawlJob", key)
	if err != nil {
		return err
	}
	order, uncancelled, err := manifest.Order(held)
	if err != nil {
		return fmt.Errorf("CrawlJob %s: %w", key.Name, err)
	}
	if f.requestedBy != "" {
		if err := unstructured.SetNestedField(order.Object, f.requestedBy, "spec", "authorization", "requestedBy"); err != nil {
			return fmt.Errorf("CrawlJob %s: spec.authorization.requestedBy: %w", key.Name, err)
		}
	}
	if !f.noConfigMaps {
		if _, err := orders.ReadTexts(ctx, m.reader, job); err != nil { // an order without its lists would only wait there
			return fmt.Errorf("CrawlJob %s: %w", key.Name, err)
		}
		if err := m.takeConfigMaps(ctx, key.Namespace, &job.Spec, "", stderr); err != nil {
			return err
		}
	}
	m.add(order)
	for _, note := range f.notes(job, uncancelled) {
		fmt.Fprintf(stderr, "%s: %s\n", key.Name, cli.OneLine(note))
	}
	return nil
}

// notes is what whoever gives an order elsewhere has to know.
func (f *exportJob) notes(job *v1alpha1.CrawlJob, uncancelled bool) (notes []string) {
	if f.requestedBy == "" {
		notes = append(notes, fmt.Sprintf("requestedBy is %s: only they, or who may order for others, can apply it; --requested-by writes another name", job.Spec.Authorization.RequestedBy))
	}
	if end := job.Spec.Authorization.NotAfter; !time.Now().Before(end.Time) {
		notes = append(notes, fmt.Sprintf("the authorisation ended at %s: no crawl begins with it; change authorization.notAfter if there is a new one", end.UTC().Format(time.RFC3339)))
	}
	if uncancelled {
		notes = append(notes, "it was cancelled here: state is left out, so that it begins there")
	}
	if name := job.Spec.Browser.Profile.Name; name != "" {
		notes = append(notes, fmt.Sprintf("it names BrowserProfile %s, which is a log-in and not written: make it there with crawlctl profile create", name))
	}
	if e := job.Spec.CompareWith; e.Name != "" {
		notes = append(notes, fmt.Sprintf("it is compared with the run of CrawlJob %s: take compareWith out where that is not", e.Name))
	}
	return notes
}

// exported gathers what is written, each object once.
type exported struct {
	reader client.Reader
	list   []*unstructured.Unstructured
	taken  map[string]bool
}

// read reads an object as the API server holds it.
func (m *exported) read(ctx context.Context, apiVersion, kind string, key client.ObjectKey) (*unstructured.Unstructured, error) {
	var held unstructured.Unstructured
	held.SetAPIVersion(apiVersion)
	held.SetKind(kind)
	if err := m.reader.Get(ctx, key, &held); err != nil {
		return nil, fmt.Errorf("read %s %s/%s: %w", kind, key.Namespace, key.Name, err)
	}
	return &held, nil
}

func (m *exported) add(o *unstructured.Unstructured) { m.list = append(m.list, o) }

// takeConfigMaps takes the ConfigMaps that an order names into a namespace, each once, and says which
// are not there: an order that is over has long been able to do without.
func (m *exported) takeConfigMaps(ctx context.Context, from string, spec *v1alpha1.CrawlJobSpec, into string, stderr io.Writer) error {
	for _, e := range orders.Entries(spec) {
		id := from + "/" + e.Name
		if m.taken[id] {
			continue
		}
		if m.taken == nil {
			m.taken = map[string]bool{}
		}
		m.taken[id] = true
		held, err := m.read(ctx, corev1.SchemeGroupVersion.String(), "ConfigMap", client.ObjectKey{Namespace: from, Name: e.Name})
		if apierrors.IsNotFound(err) {
			fmt.Fprintf(stderr, "ConfigMap %s is not there, which %s names\n", id, e.Field)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Field, err)
		}
		clean := manifest.Clean(held)
		clean.SetNamespace(into)
		m.add(clean)
	}
	return nil
}

// write writes all objects, in the order in which they were taken.
func (m *exported) write(w io.Writer, format string) error {
	if format == "json" {
		items := []any{}
		for _, o := range m.list {
			items = append(items, o.Object)
		}
		list := map[string]any{"apiVersion": "v1", "kind": "List", "items": items}
		return cli.WriteJSON(w, list)
	}
	for i, o := range m.list {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}
