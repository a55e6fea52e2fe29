package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
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
	namespace, comment, kubeconfig, context string
}

func newApprove() *cobra.Command {
	var f approveFlags
	cmd := &cobra.Command{
		Use:   "approve NAME",
		Short: "Approve a CrawlJob that somebody else has ordered",
		Long: `Approve creates a CrawlApproval of CrawlJob NAME in your own name, which the API server
vouches for, and shows what you have approved. Read the order first, and the ConfigMaps with
seeds and scripts that it names:

  kubectl get crawl NAME -o yaml

The approval is of them all as they are now, by a digest of them: when one is changed before
the crawl begins, it does not count any more. Approve the order again then.

An approval cannot be changed. To withdraw it, delete it (kubectl delete crawlapproval);
a crawl that needs it ends then.

Exit codes:
  0  it is approved by you as it is, now or already
  1  it cannot be: there is no such order, it is over, you have ordered it, what it refers to
     is missing, you may not
  2  the command line made no sense, or no cluster was found`,
		Example: `  crawlctl approve board -n research
  crawlctl approve board --comment "DPIA-2026-014 covers it"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("want the NAME of one CrawlJob")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := reach(f.kubeconfig, f.context, f.namespace)
			if err != nil {
				return err
			}
			return approve(cmd.Context(), c, client.ObjectKey{Namespace: namespace, Name: args[0]}, f.comment, cmd.OutOrStdout())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` of the CrawlJob (default: that of the kubeconfig's context)")
	fl.StringVar(&f.comment, "comment", "", "what you have to say about it")
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` that says how to reach the cluster (default: $KUBECONFIG, else ~/.kube/config)")
	fl.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context (default: its current one)")
	return cmd
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

// approve approves an order in the name of whoever the API server takes us for.
func approve(ctx context.Context, c client.Client, key client.ObjectKey, comment string, w io.Writer) error {
	job, spec, err := readOrder(ctx, c, key)
	if err != nil {
		return err
	}
	var self authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &self); err != nil {
		return fmt.Errorf("ask the API server who you are: %w", err)
	}
	who := self.Status.UserInfo.Username
	switch {
	case meta.IsStatusConditionTrue(job.Status.Conditions, v1alpha1.ConditionFinished):
		return fmt.Errorf("CrawlJob %s is over: an approval would change nothing", job.Name)
	case who == job.Spec.Authorization.RequestedBy || who == job.Annotations[v1alpha1.AnnotationOrderedBy]:
		return fmt.Errorf("%s has ordered CrawlJob %s: your approval would not count, it takes another person", who, job.Name)
	}
	order, err := readCovered(ctx, c, job, spec)
	if err != nil {
		return err
	}
	given, before, err := ownApproval(ctx, c, order, who)
	if err != nil {
		return err
	}
	if given != "" {
		_, err := fmt.Fprintf(w, "crawlapproval %s/%s is there already: %s approves CrawlJob %s, %s\n", job.Namespace, given, who, job.Name, order.digest)
		return err
	}
	a := &v1alpha1.CrawlApproval{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, GenerateName: prefix(job.Name),
			// It goes with the order.
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CrawlJob", Name: job.Name, UID: job.UID}},
		},
		Spec: v1alpha1.CrawlApprovalSpec{
			CrawlJob: v1alpha1.ApprovedJob{Name: job.Name, UID: string(job.UID), Digest: order.digest}, Approver: who, Comment: comment,
		},
	}
	if err := c.Create(ctx, a); err != nil {
		if apierrors.IsForbidden(err) {
			return fmt.Errorf("%w; %s", err, mayApprove(job.Namespace))
		}
		return fmt.Errorf("create the CrawlApproval: %w", err)
	}
	fmt.Fprintf(w, "crawlapproval %s/%s created: %s approves CrawlJob %s\n", a.Namespace, a.Name, who, job.Name)
	if before != "" {
		fmt.Fprintf(w, "  in place of %s/%s, which was of something else\n", job.Namespace, before)
	}
	return order.show(w)
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
