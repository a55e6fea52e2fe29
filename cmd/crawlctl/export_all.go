package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/manifest"
	"crawlfleet.dev/crawlfleet/internal/cli"
)

// exportAll is an export of what a fleet works on.
type exportAll struct {
	exportFlags
	everywhere bool
}

func newExportAll() *cobra.Command {
	var f exportAll
	cmd := &cobra.Command{
		Use:   "all [-n NAMESPACE | -A]",
		Short: "Write what a fleet works on, to be restored into a new cluster",
		Long: `All writes the CrawlJobs, CrawlSchedules and BrowserProfiles of a namespace, or of all, and the
ConfigMaps that orders name, as manifests for kubectl apply. With the two buckets they are the
backup of a fleet: docs/backup.md says in which order to save and to restore.

Each CrawlJob is written with the run that it has (annotation crawlfleet.dev/run). Restored,
one that is over does not crawl again: it is written as Cancelled, and finds in the archive how its
run ended. One that is not over goes on where the frontier's bucket says it was. Who restores
has to be allowed to (verbs restore, orderforothers and vouch on crawljobs, as
cluster-admin has them).

Not written are
  Secrets          keys, and log-ins of BrowserProfiles: save them apart, and encrypted
  CrawlFleet       it comes from the values of the Helm release
  CrawlApprovals   each is in its approver's own name, and of one CrawlJob: what waits for
                   approvals, or needs them to go on, is approved again
  what is being deleted

Exit codes:
  0  all was written
  1  something could not be read
  2  the command line made no sense, or no cluster was found`,
		Example: `  crawlctl export all -A > resources.yaml
  kubectl --context new apply -f resources.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&f.everywhere, "all-namespaces", "A", false, "of all namespaces")
	return cmd
}

func (f *exportAll) run(ctx context.Context, out, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.everywhere && f.namespace != "" {
		return cli.Usage("-n %s and -A: one namespace, or all", f.namespace)
	}
	c, namespace, err := reach(f.kubeconfig, f.context, f.namespace)
	if err != nil {
		return err
	}
	if f.everywhere {
		namespace = ""
	}
	m := exported{reader: c}
	if err := errors.Join(
		f.each(ctx, &m, "BrowserProfile", namespace, func(held *unstructured.Unstructured) error { return m.profile(held, stderr) }),
		f.each(ctx, &m, "CrawlSchedule", namespace, func(held *unstructured.Unstructured) error { return m.schedule(ctx, held, stderr) }),
		f.each(ctx, &m, "CrawlJob", namespace, func(held *unstructured.Unstructured) error { return m.job(ctx, held, stderr) }),
	); err != nil {
		return err // a part of a backup is none
	}
	if err := m.write(out, f.output); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stderr, "%d objects written. Secrets, CrawlFleet and CrawlApprovals are not among them: docs/backup.md\n", len(m.list))
	return err
}

// listed is how many objects the API server is asked for at once.
const listed = 500

// each visits the objects of a kind.
func (f *exportAll) each(ctx context.Context, m *exported, kind, namespace string, visit func(*unstructured.Unstructured) error) error {
	for next := ""; ; {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		if err := m.reader.List(ctx, &list, client.InNamespace(namespace), client.Limit(listed), client.Continue(next)); err != nil {
			return fmt.Errorf("list %ss: %w", kind, err)
		}
		for i := range list.Items {
			held := &list.Items[i]
			held.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
			if err := visit(held); err != nil {
				return fmt.Errorf("%s %s/%s: %w", kind, held.GetNamespace(), held.GetName(), err)
			}
		}
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// left says that an object is not written.
func left(stderr io.Writer, held *unstructured.Unstructured) error {
	_, err := fmt.Fprintf(stderr, "%s %s/%s is left out: %v\n", held.GetKind(), held.GetNamespace(), held.GetName(), manifest.ErrLeaving)
	return err
}

func (m *exported) profile(held *unstructured.Unstructured, stderr io.Writer) error {
	if held.GetDeletionTimestamp() != nil {
		return left(stderr, held)
	}
	m.add(manifest.Clean(held))
	secret, _, _ := unstructured.NestedString(held.Object, "spec", "secretRef", "name") // the schema asks for it
	_, err := fmt.Fprintf(stderr, "BrowserProfile %s/%s: its log-in is in Secret %s, which is not written\n", held.GetNamespace(), held.GetName(), cli.OneLine(secret))
	return err
}

func (m *exported) schedule(ctx context.Context, held *unstructured.Unstructured, stderr io.Writer) error {
	if held.GetDeletionTimestamp() != nil {
		return left(stderr, held)
	}
	var s v1alpha1.CrawlSchedule
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(held.Object, &s); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if err := m.takeConfigMaps(ctx, s.Namespace, &s.Spec.JobTemplate.Spec, s.Namespace, stderr); err != nil {
		return err
	}
	m.add(manifest.Clean(held))
	return nil
}

func (m *exported) job(ctx context.Context, held *unstructured.Unstructured, stderr io.Writer) error {
	record, err := manifest.Record(held)
	if errors.Is(err, manifest.ErrLeaving) {
		return left(stderr, held)
	}
	if err != nil {
		return err
	}
	var job v1alpha1.CrawlJob
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(held.Object, &job); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if err := m.takeConfigMaps(ctx, job.Namespace, &job.Spec, job.Namespace, stderr); err != nil {
		return err
	}
	m.add(record)
	return nil
}
