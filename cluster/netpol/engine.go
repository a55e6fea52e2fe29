package netpol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/knftables"
)

// retryPause is how long rules that the kernel did not take wait for another try.
const retryPause = time.Second

// Engine keeps the rules of the network namespace it runs in the same as the policies of
// a cluster of one node.
type Engine struct {
	Client kubernetes.Interface
	NFT    knftables.Interface

	namespaces corelisters.NamespaceLister
	pods       corelisters.PodLister
	policies   networkinglisters.NetworkPolicyLister

	// mu orders what is written, and guards what follows.
	mu        sync.Mutex
	addresses map[types.UID]string
	last      string
}

// Run keeps the rules and answers the plugin that asks for them before a pod starts, at a
// listener, until the context is done.
func (e *Engine) Run(ctx context.Context, plugin net.Listener) error {
	e.addresses = map[types.UID]string{}
	factory := informers.NewSharedInformerFactory(e.Client, 0)
	e.namespaces = factory.Core().V1().Namespaces().Lister()
	e.pods = factory.Core().V1().Pods().Lister()
	e.policies = factory.Networking().V1().NetworkPolicies().Lister()
	changed := make(chan struct{}, 1)
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { tell() },
		UpdateFunc: func(any, any) { tell() },
		DeleteFunc: func(any) { tell() },
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Namespaces().Informer(),
		factory.Core().V1().Pods().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("read all %s: %w", kind, context.Cause(ctx))
		}
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	answering.Go(func() { e.answer(ctx, plugin) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		if err := e.Sync(ctx); err != nil {
			slog.Error("the rules are not those of the policies", "error", err)
			time.AfterFunc(retryPause, tell)
		}
	}
}

// Sync writes the rules that follow from what is known now.
func (e *Engine) Sync(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := e.observe()
	if err != nil {
		return err
	}
	all := Translate(state)
	tx := e.NFT.NewTransaction()
	transaction(tx, all)
	// The transaction as text, to write only what is new.
	if tx.String() == e.last {
		return nil
	}
	if err := e.NFT.Run(ctx, tx); err != nil {
		return err
	}
	e.last = tx.String()
	slog.Info("rules written", "isolatedPods", len(all))
	return nil
}

func (e *Engine) observe() (State, error) {
	s := State{Addresses: e.addresses}
	var errs [3]error
	s.Namespaces, errs[0] = e.namespaces.List(labels.Everything())
	s.Pods, errs[1] = e.pods.List(labels.Everything())
	s.Policies, errs[2] = e.policies.List(labels.Everything())
	if err := errors.Join(errs[:]...); err != nil {
		return s, err
	}
	e.forget(s.Pods)
	// In one order, so that the same policies make the same text.
	slices.SortFunc(s.Policies, byName)
	return s, nil
}

// forget drops the addresses of pods that are gone, or done and without use for theirs.
func (e *Engine) forget(pods []*corev1.Pod) {
	there := map[types.UID]bool{}
	for _, p := range pods {
		there[p.UID] = !ended(p)
	}
	for uid := range e.addresses {
		if !there[uid] {
			delete(e.addresses, uid)
		}
	}
}
