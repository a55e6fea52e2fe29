package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/config/crd"
	orders "crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/kube/admit"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// orderFlags are those of the commands that look at a CrawlJob before it runs.
type orderFlags struct {
	file, output          string
	seedFiles             []string
	noRobots              bool
	timeout               time.Duration
	maxSitemaps           int
	resolve, allowPrivate []string
	route                 cli.Route
}

func (f *orderFlags) add(cmd *cobra.Command, timeout time.Duration) {
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "filename", "f", "", "`FILE` with one or more CrawlJobs in YAML or JSON, - for standard input")
	fl.StringVarP(&f.output, "output", "o", "text", "`FORMAT`: text, or json (one line an object)")
	fl.StringArrayVar(&f.seedFiles, "seed-file", nil, "`NAME/KEY=FILE`: the entry of a ConfigMap that seeds.configMaps names and FILE does not hold (repeatable)")
	fl.BoolVar(&f.noRobots, "no-robots", false, "ask no server: neither robots.txt nor sitemaps are read")
	fl.DurationVar(&f.timeout, "timeout", timeout, "time for asking servers in all; what is not known then is said")
	fl.IntVar(&f.maxSitemaps, "max-sitemaps", 100, "how many sitemaps are read at most")
	fl.StringArrayVar(&f.resolve, "resolve", nil, "connect to `HOST[:PORT]=ADDR:PORT` instead of asking the DNS (repeatable)")
	fl.StringArrayVar(&f.allowPrivate, "allow-private", nil, "`CIDR` that may be connected to although it is not public (repeatable)")
	fl.StringVar(&f.route.Proxy, "proxy", "", "`URL` of a proxy for everything: http, https, socks5 or socks5h")
	fl.StringVar(&f.route.ProxyCA, "proxy-ca-file", "", "`FILE` with PEM certificates of the authorities that an https proxy's certificate is taken from, in place of the system's")
	fl.StringVar(&f.route.NameServer, "name-server", "", "`ADDR[:PORT]` of the name server to ask, in place of those of the system")
	for name, complete := range map[string]cobra.CompletionFunc{
		"filename":  files("yaml", "yml", "json"),
		"output":    cobra.FixedCompletions([]cobra.Completion{"text", "json"}, cobra.ShellCompDirectiveNoFileComp),
		"seed-file": cobra.NoFileCompletions, "resolve": cobra.NoFileCompletions, "allow-private": cobra.NoFileCompletions,
	} {
		if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// files completes names of files that end so.
func files(extensions ...cobra.Completion) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

// check looks at the flags, and makes what asks servers. Its errors are usage errors.
func (f *orderFlags) check() (*frontier.RobotsCache, error) {
	switch {
	case f.file == "":
		return nil, cli.Usage("no order: name a file with a CrawlJob, -f job.yaml, or -f - for standard input")
	case f.output != "text" && f.output != "json":
		return nil, cli.Usage("--output %q: want text or json", f.output)
	case f.timeout <= 0:
		return nil, cli.Usage("--timeout must be more than nothing")
	case f.maxSitemaps < 1:
		return nil, cli.Usage("--max-sitemaps %d: want 1 or more", f.maxSitemaps)
	}
	var guard netguard.Dialer
	var err error
	if guard.Allow, err = cli.ParsePrefixes(f.allowPrivate); err != nil {
		return nil, err
	}
	if guard.Resolve, err = cli.ParseResolve(f.resolve); err != nil {
		return nil, err
	}
	if err := f.route.Apply(&guard); err != nil {
		return nil, err
	}
	if f.noRobots {
		return nil, nil
	}
	return &frontier.RobotsCache{
		Client: frontier.NewClient(&guard), UserAgent: frontier.ProductToken + "/" + cli.ReadBuild().Version, Token: frontier.ProductToken, Now: time.Now,
	}, nil
}

// manifests are the CrawlJobs of a file, and the entries of ConfigMaps that lie beside them,
// by name/key.
type manifests struct {
	jobs    []v1alpha1.CrawlJob
	entries map[string]string
	binary  map[string]bool // those that are no text
}

// read reads the file. Its errors are usage errors, and name the field that is wrong.
func (f *orderFlags) read(ctx context.Context, stdin io.Reader) (*manifests, error) {
	in, name := stdin, "standard input"
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, cli.Input("-f: %w", err)
		}
		defer file.Close() // read only
		in, name = file, f.file
	}
	definition, err := admit.New(crd.CrawlJobs)
	if err != nil {
		return nil, err
	}
	m := &manifests{entries: map[string]string{}, binary: map[string]bool{}}
	err = admit.Documents(in, func(_ int, document map[string]any) error { return m.take(ctx, definition, document) })
	if err != nil {
		return nil, cli.Input("%s: %w", name, err)
	}
	if len(m.jobs) == 0 {
		return nil, cli.Input("%s: there is no CrawlJob in it, nor a CrawlSchedule (apiVersion %s)", name, v1alpha1.GroupVersion)
	}
	for _, value := range f.seedFiles {
		entry, path, ok := strings.Cut(value, "=")
		if !ok || !strings.Contains(entry, "/") || path == "" {
			return nil, cli.Usage("--seed-file %q: want NAME/KEY=FILE, such as ad-pages/urls.txt=urls.txt", value)
		}
		if m.entries[entry], err = readSeedFile(path); err != nil {
			return nil, cli.Input("--seed-file: %w", err)
		}
		if !m.names(entry) {
			return nil, cli.Input("--seed-file %s: no CrawlJob of %s names that ConfigMap in seeds.configMaps", value, name)
		}
	}
	return m, m.checkSizes()
}

// names tells whether seeds are in the ConfigMap of an entry.
func (m *manifests) names(entry string) bool {
	config, _, _ := strings.Cut(entry, "/")
	return slices.ContainsFunc(m.jobs, func(job v1alpha1.CrawlJob) bool {
		return slices.ContainsFunc(job.Spec.Seeds.ConfigMaps, func(s v1alpha1.SeedConfigMap) bool { return s.Name == config })
	})
}

// readSeedFile reads what an entry of a ConfigMap is to hold, and no more of it than tells that
// none can.
func readSeedFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() // read only
	text, err := io.ReadAll(io.LimitReader(file, orders.MaxConfigMap+1))
	return string(text), err
}

// checkSizes refuses a ConfigMap that the API server would not store.
func (m *manifests) checkSizes() error {
	sizes := map[string]int{}
	for entry, text := range m.entries {
		name, _, _ := strings.Cut(entry, "/")
		sizes[name] += len(text)
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if sizes[name] > orders.MaxConfigMap {
			return cli.Input("ConfigMap %s is larger than the %d bytes that can be stored: divide the list among several ConfigMaps or CrawlJobs, "+
				"or serve it as a text sitemap and name its address in seeds.sitemaps", name, orders.MaxConfigMap)
		}
	}
	return nil
}

func (m *manifests) take(ctx context.Context, definition *admit.Definition, document map[string]any) error {
	kind, _ := document["kind"].(string)
	version, _ := document["apiVersion"].(string)
	switch {
	case kind == "" || version == "":
		return errors.New("apiVersion and kind must say what it is, such as crawlfleet.dev/v1alpha1 and CrawlJob")
	case kind == "CrawlJob" && version == v1alpha1.GroupVersion.String():
		var job v1alpha1.CrawlJob
		if err := definition.Admit(ctx, document, &job); err != nil {
			return err
		}
		m.jobs = append(m.jobs, job)
	case kind == "CrawlSchedule" && version == v1alpha1.GroupVersion.String():
		return m.takeSchedule(ctx, definition, document)
	case kind == "CrawlJob" || kind == "CrawlSchedule":
		return fmt.Errorf("apiVersion: %s is not known here, want %s", version, v1alpha1.GroupVersion)
	case kind == "List" && version == "v1": // what kubectl get writes
		items, _ := document["items"].([]any)
		for i, item := range items {
			item, _ := item.(map[string]any)
			if err := m.take(ctx, definition, item); err != nil {
				return fmt.Errorf("items[%d]: %w", i, err)
			}
		}
	case kind == "ConfigMap" && version == "v1":
		m.takeConfigMap(document)
	}
	return nil // other resources may lie beside
}

// takeConfigMap takes the entries of a ConfigMap.
func (m *manifests) takeConfigMap(document map[string]any) {
	meta, _ := document["metadata"].(map[string]any)
	data, _ := document["data"].(map[string]any)
	for key, text := range data {
		if text, ok := text.(string); ok {
			m.entries[fmt.Sprint(meta["name"], "/", key)] = text
		}
	}
	binary, _ := document["binaryData"].(map[string]any)
	for key := range binary {
		m.binary[fmt.Sprint(meta["name"], "/", key)] = true
	}
}

// takeSchedule takes the CrawlJob that a CrawlSchedule would create, under its name.
func (m *manifests) takeSchedule(ctx context.Context, definition *admit.Definition, document map[string]any) error {
	spec, _, _ := unstructured.NestedMap(document, "spec", "jobTemplate", "spec") // what is missing is said of the job
	meta, _, _ := unstructured.NestedMap(document, "metadata")
	job := map[string]any{
		"apiVersion": document["apiVersion"], "kind": "CrawlJob", "metadata": map[string]any{"name": meta["name"], "namespace": meta["namespace"]},
	}
	if spec != nil {
		job["spec"] = spec
	}
	if err := m.take(ctx, definition, job); err != nil {
		return fmt.Errorf("spec.jobTemplate: %w", err)
	}
	return nil
}

// jobName is what a CrawlJob is called: namespace/name, or the name alone.
func jobName(job *v1alpha1.CrawlJob) string {
	name := job.Name
	if name == "" {
		name = job.GenerateName
	}
	if job.Namespace != "" {
		name = job.Namespace + "/" + name
	}
	return name
}

// lists reads what ConfigMaps hold into r, and makes sure that the order can be handed over
// with it.
func (m *manifests) lists(job *v1alpha1.CrawlJob, r *frontier.SeedReader) error {
	var all []string
	for _, source := range job.Spec.Seeds.ConfigMaps {
		entry := source.Name + "/" + source.Key
		text, ok := m.entries[entry]
		if !ok && m.binary[entry] {
			return fmt.Errorf("seeds.configMaps names %s, which is in binaryData, as kubectl writes what is not UTF-8: save the text as UTF-8 and store it again", entry)
		}
		if !ok {
			return fmt.Errorf("seeds.configMaps names %s, which is not in the file: give it with --seed-file %s=FILE", entry, entry)
		}
		addresses, err := readList(text, r)
		if err != nil {
			return fmt.Errorf("%s: %w", entry, err)
		}
		all = append(all, addresses...)
	}
	packed, err := orders.PackSeeds(all)
	if err != nil {
		return err
	}
	return orders.CheckInput(workflows.RunInput{Namespace: job.Namespace, Name: job.Name, Spec: orders.Spec(&job.Spec), SeedList: packed})
}

// readList reads a list into r, and returns its addresses as they are written.
func readList(text string, r *frontier.SeedReader) (addresses []string, err error) {
	var refused error
	err = orders.ReadSeeds(strings.NewReader(text), func(u string) {
		addresses = append(addresses, u)
		if err := r.Add(u); err != nil && refused == nil {
			refused = fmt.Errorf("address %d: %w", len(addresses), err)
		}
	})
	if err == nil && len(addresses) == 0 {
		return nil, errors.New("it holds no address: write one address a line into it")
	}
	return addresses, errors.Join(err, refused)
}
