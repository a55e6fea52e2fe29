package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// policyEvery is how often the CrawlFleet is read. With the time that the API server may take, what
// is changed there counts within ten seconds.
const policyEvery = 5 * time.Second

// fleetPolicy is the policy of a fleet, read again and again. As long as it never was, nobody knows
// it; from then on the last one that was read counts, also while there is trouble or the CrawlFleet
// is gone: nobody is asked for less by that.
type fleetPolicy struct {
	reader client.Reader
	fleet  types.NamespacedName
	// floor is what is asked for whatever the fleet says.
	floor access.Policy
	log   *slog.Logger

	mu     sync.Mutex
	policy *access.Policy
	err    error
}

// policies are those of the cluster's CrawlFleet, or what the flags say where none is read.
func (o *accessOptions) policies(config *rest.Config, log *slog.Logger) (access.Policies, error) {
	said, err := o.policy()
	if err != nil || config == nil || o.fleetNamespace == "" {
		return said, err
	}
	if len(o.purposes) > 0 {
		return nil, errors.New("--purposes: the CrawlFleet's policy has the purposes to choose from; remove the flag, or read no CrawlFleet with --fleet-namespace ''")
	}
	reader, err := clusterReader(config)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return &fleetPolicy{
		reader: reader, fleet: types.NamespacedName{Namespace: o.fleetNamespace, Name: v1alpha1.FleetName}, floor: said, log: log,
		err: errNotRead,
	}, nil
}

var errNotRead = errors.New("it was not read yet")

// clusterReader reads the objects of a fleet.
func clusterReader(config *rest.Config) (client.Reader, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return reader, nil
}

// keepCurrent reads a fleet's policy, once before it returns, until stop is called. Others stay as
// they are.
func keepCurrent(ctx context.Context, policies access.Policies) (stop func()) {
	p, ok := policies.(*fleetPolicy)
	if !ok {
		return func() {}
	}
	p.look(ctx)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.follow(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (p *fleetPolicy) follow(ctx context.Context) {
	ticker := time.NewTicker(policyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.look(ctx)
		}
	}
}

// Current implements access.Policies.
func (p *fleetPolicy) Current() (access.Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.policy == nil {
		return access.Policy{}, fmt.Errorf("CrawlFleet %s: %w", p.fleet, p.err)
	}
	return *p.policy, nil
}

// look reads the policy once.
func (p *fleetPolicy) look(ctx context.Context) {
	asked, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	policy, err := p.read(asked)
	if ctx.Err() != nil {
		return // the portal ends
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.err
	if p.err = err; err != nil {
		if before == nil || errors.Is(before, errNotRead) { // once, not every time
			p.log.Warn("the policy of the fleet cannot be read", "crawlFleet", p.fleet.String(), "known", p.policy != nil, "error", err)
		}
		return
	}
	if p.policy == nil || before != nil || !reflect.DeepEqual(*p.policy, policy) {
		p.log.Info("the policy of the fleet was read", "crawlFleet", p.fleet.String(), "askPurpose", policy.AskPurpose, "askCase", policy.AskCase, "purposes", policy.Purposes)
	}
	p.policy = &policy
}

func (p *fleetPolicy) read(ctx context.Context) (access.Policy, error) {
	var fleet v1alpha1.CrawlFleet
	if err := p.reader.Get(ctx, p.fleet, &fleet); err != nil {
		return access.Policy{}, err
	}
	policy, err := policyOf(fleet.Spec.Policy)
	return policy.AtLeast(p.floor), err
}

// policyOf is what a fleet's policy asks for. A word that this portal does not know is an error: it may
// stand for more than any that it knows.
func policyOf(p v1alpha1.Policy) (access.Policy, error) {
	policy := access.Policy{AskPurpose: access.AskNever, AskCase: p.Access.Case == v1alpha1.NeedRequired}
	for _, purpose := range p.Purposes {
		policy.Purposes = append(policy.Purposes, string(purpose))
	}
	if deed := p.Access.PurposeFor; deed != "" {
		policy.AskPurpose = access.Ask(strings.ToLower(string(deed)))
	}
	if !slices.Contains(access.Asks(), policy.AskPurpose) {
		return access.Policy{}, fmt.Errorf("spec.policy.access.purposeFor is %q, which this portal does not know", p.Access.PurposeFor)
	}
	return policy, nil
}
