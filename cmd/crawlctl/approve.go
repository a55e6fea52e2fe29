package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/cli"
)

// approveFlags are the flags of approve.
type approveFlags struct {
	namespace, comment, digest, kubeconfig, context string
	dryRun, yes                                     bool
}

func newApprove() *cobra.Command {
	var f approveFlags
	cmd := &cobra.Command{
		Use:   "approve NAME",
		Short: "Approve a CrawlJob that somebody else has ordered",
		Long: `Approve shows CrawlJob NAME, and creates a CrawlApproval of it in your own name, which the
API server vouches for. Read the order first, and the ConfigMaps with seeds and scripts that it
names:

  crawlctl approve NAME --dry-run
  kubectl get crawl NAME -o yaml

The approval is of them all as they were shown, by a digest of them. On a terminal you are asked
once you have seen them. With --digest, which --dry-run tells, nothing else is approved than what
you have read: when one was changed meanwhile, there is no approval. A script says --digest, or
--yes for whatever is there.

When one is changed after that and before the crawl begins, the approval does not count any more.
Approve the order again then.

An approval cannot be changed. To withdraw it, delete it (kubectl delete crawlapproval);
a crawl that needs it ends then.

Exit codes:
  0  it is approved by you as it is, now or already; it could be (--dry-run)
  1  it is not: there is no such order, it is over, you have ordered it, what it refers to
     is missing, it has another digest, you may not, you said no
  2  the command line made no sense, or no cluster was found`,
		Example: `  crawlctl approve board -n research
  crawlctl approve board --dry-run
  crawlctl approve board --digest sha256:1b9e… --comment "DPIA-2026-014 covers it"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("want the NAME of one CrawlJob")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a := approval{comment: f.comment, dryRun: f.dryRun, digest: f.digest}
			if err := f.agreed(&a, cmd.InOrStdin(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			c, namespace, err := reach(f.kubeconfig, f.context, f.namespace)
			if err != nil {
				return err
			}
			a.client, a.key = c, client.ObjectKey{Namespace: namespace, Name: args[0]}
			return a.run(cmd.Context(), cmd.OutOrStdout())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` of the CrawlJob (default: that of the kubeconfig's context)")
	fl.StringVar(&f.comment, "comment", "", "what you have to say about it")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show what would be approved, with its digest, and approve nothing")
	fl.StringVar(&f.digest, "digest", "", "approve what has this `DIGEST`, and nothing else")
	fl.BoolVar(&f.yes, "yes", false, "approve whatever is there, and do not ask")
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` that says how to reach the cluster (default: $KUBECONFIG, else ~/.kube/config)")
	fl.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context (default: its current one)")
	return cmd
}

// digestForm is how a digest is written: order.Sum.
var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// agreed settles how somebody says that they approve what is shown: by a flag, or when they are
// asked. Its errors are usage errors.
func (f *approveFlags) agreed(a *approval, stdin io.Reader, stderr io.Writer) error {
	switch {
	case f.digest != "" && !digestForm.MatchString(f.digest):
		return cli.Usage("--digest %q: want sha256: and 64 hexadecimal digits in lower case, as --dry-run tells it", f.digest)
	case f.dryRun && f.yes:
		return cli.Usage("--dry-run approves nothing: leave out --yes")
	case f.dryRun || f.yes || f.digest != "":
		return nil
	}
	if terminal, ok := stdin.(*os.File); !ok || !term.IsTerminal(int(terminal.Fd())) {
		return cli.Usage("nobody can be asked, because standard input is no terminal: say what you approve with --digest, which --dry-run tells, or --yes for whatever is there")
	}
	a.ask = func(ctx context.Context) error { return confirm(ctx, stdin, stderr) }
	return nil
}

// errNotApproved is the end when somebody has thought better of it.
var errNotApproved = errors.New("not approved: nothing was created")

// confirm asks whether to approve what was shown. Whatever is no yes is a no. The reader goes on
// after an interruption until a line comes: nobody else reads standard input.
func confirm(ctx context.Context, stdin io.Reader, stderr io.Writer) error {
	fmt.Fprint(stderr, "Approve this? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdin).ReadString('\n') // no answer is no yes
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return &cli.Error{Code: cli.ExitInterrupted, Err: errors.New("interrupted: nothing was created")}
	case said := <-answer:
		if said == "y" || said == "yes" {
			return nil
		}
		return errNotApproved
	}
}

// reach finds the cluster of a kubeconfig, and the namespace to use there. Its errors are usage
// errors.
func reach(kubeconfig, context, namespace string) (client.Client, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	found := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context})
	config, err := found.ClientConfig()
	if err != nil {
		return nil, "", cli.Usage("find the cluster: %w; name a --kubeconfig", err)
	}
	if namespace == "" {
		if namespace, _, err = found.Namespace(); err != nil {
			return nil, "", cli.Usage("find the namespace: %w; name one with -n", err)
		}
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme), authenticationv1.AddToScheme(scheme)); err != nil {
		return nil, "", err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, "", fmt.Errorf("reach the cluster: %w", err)
	}
	return c, namespace, nil
}

// approval is what is to be approved, and how.
type approval struct {
	client  client.Client
	key     client.ObjectKey
	comment string
	// dryRun shows what would be approved, and is all.
	dryRun bool
	// digest is that of what is approved, empty for whatever is there.
	digest string
	// ask asks whether to go on once all has been shown. Its error ends it. Nil asks nobody.
	ask func(ctx context.Context) error
}

// run shows an order, and approves it in the name of whoever the API server takes us for: as it
// was shown, and never before it was.
func (a *approval) run(ctx context.Context, w io.Writer) error {
	job, spec, err := readOrder(ctx, a.client, a.key)
	if err != nil {
		return err
	}
	who, err := a.whoMay(ctx, job)
	if err != nil {
		return err
	}
	order, err := readCovered(ctx, a.client, job, spec)
	if err != nil {
		return err
	}
	if a.digest != "" && a.digest != order.digest {
		return fmt.Errorf("CrawlJob %s is not what you approve: what is there now is %s; look again with --dry-run", job.Name, order.digest)
	}
	given, before, err := ownApproval(ctx, a.client, order, who)
	if err != nil {
		return err
	}
	if err := order.show(w); err != nil {
		return err
	}
	switch {
	case given != "":
		_, err := fmt.Fprintf(w, "crawlapproval %s/%s is there already: %s approves CrawlJob %s\n", job.Namespace, given, who, job.Name)
		return err
	case a.dryRun:
		_, err := fmt.Fprintf(w, "nothing was created; to approve just this: crawlctl approve %s -n %s --digest %s\n", job.Name, job.Namespace, order.digest)
		return err
	case a.ask != nil:
		if err := a.ask(ctx); err != nil {
			return err
		}
	}
	name, err := a.create(ctx, order, who)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "crawlapproval %s/%s created: %s approves CrawlJob %s\n", job.Namespace, name, who, job.Name)
	if before != "" && err == nil {
		_, err = fmt.Fprintf(w, "  in place of %s/%s, which was of something else\n", job.Namespace, before)
	}
	return err
}

// whoMay is whoever the API server takes us for, who may approve an order as far as that tells.
func (a *approval) whoMay(ctx context.Context, job *v1alpha1.CrawlJob) (string, error) {
	var self authenticationv1.SelfSubjectReview
	if err := a.client.Create(ctx, &self); err != nil {
		return "", fmt.Errorf("ask the API server who you are: %w", err)
	}
	who := self.Status.UserInfo.Username
	switch {
	case meta.IsStatusConditionTrue(job.Status.Conditions, v1alpha1.ConditionFinished):
		return "", fmt.Errorf("CrawlJob %s is over: an approval would change nothing", job.Name)
	case who == job.Spec.Authorization.RequestedBy || who == job.Annotations[v1alpha1.AnnotationOrderedBy]:
		return "", fmt.Errorf("%s has ordered CrawlJob %s: your approval would not count, it takes another person", who, job.Name)
	}
	return who, nil
}

// create makes the approval, and returns its name.
func (a *approval) create(ctx context.Context, order *covered, who string) (string, error) {
	job := order.job
	made := &v1alpha1.CrawlApproval{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, GenerateName: prefix(job.Name),
			// It goes with the order.
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CrawlJob", Name: job.Name, UID: job.UID}},
		},
		Spec: v1alpha1.CrawlApprovalSpec{
			CrawlJob: v1alpha1.ApprovedJob{Name: job.Name, UID: string(job.UID), Digest: order.digest}, Approver: who, Comment: a.comment,
		},
	}
	err := a.client.Create(ctx, made)
	if apierrors.IsForbidden(err) {
		return "", fmt.Errorf("%w; %s", err, mayApprove(job.Namespace))
	}
	if err != nil {
		return "", fmt.Errorf("create the CrawlApproval: %w", err)
	}
	return made.Name, nil
}

// ownApproval is the name of the approval that a person has given an order as it is, and of one
// that they have given it as it was; empty for none.
func ownApproval(ctx context.Context, c client.Client, o *covered, who string) (given, before string, _ error) {
	var list v1alpha1.CrawlApprovalList
	if err := c.List(ctx, &list, client.InNamespace(o.job.Namespace)); err != nil {
		return "", "", fmt.Errorf("list CrawlApprovals: %w", err)
	}
	for _, a := range list.Items {
		switch of := a.Spec.CrawlJob; {
		case of.UID != string(o.job.UID) || a.Spec.Approver != who || a.DeletionTimestamp != nil:
		case of.Digest == o.digest:
			return a.Name, "", nil
		default:
			before = a.Name
		}
	}
	return "", before, nil
}

// prefix is what an approval's name begins with: names have 253 bytes, and the API server adds
// five.
func prefix(job string) string {
	const most = 253 - 5 - 1
	return strings.TrimRight(job[:min(len(job), most)], "-.") + "-"
}
