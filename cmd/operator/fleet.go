package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	temporal "go.temporal.io/sdk/client"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/scale"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/versions"
	"crawlfleet.dev/crawlfleet/controllers/crawljob"
	"crawlfleet.dev/crawlfleet/internal/kube"
)

// fleetOptions are the flags about the operator's own CrawlFleet.
type fleetOptions struct {
	// namespaces are those that orders are taken from, all when there are none.
	namespaces               []string
	workerImage, portalImage string
	// said are the settings that flags or the environment say, so that the CrawlFleet does not.
	said func(flag, variable string) bool
}

func (o *fleetOptions) add(f *pflag.FlagSet) {
	f.StringSliceVar(&o.namespaces, "namespaces", words(os.Getenv("CRAWLFLEET_NAMESPACES")),
		"namespaces that orders are taken from, with commas between, for several fleets in one cluster (default: all) [$CRAWLFLEET_NAMESPACES]")
	f.StringVar(&o.workerImage, "worker-image", os.Getenv("CRAWLFLEET_IMAGE_WORKER"), "image of conductors and browsers, unless the CrawlFleet names one [$CRAWLFLEET_IMAGE_WORKER]")
	f.StringVar(&o.portalImage, "portal-image", os.Getenv("CRAWLFLEET_IMAGE_PORTAL"), "image of the portal, unless the CrawlFleet names one [$CRAWLFLEET_IMAGE_PORTAL]")
	o.said = func(flag, variable string) bool { return f.Changed(flag) || os.Getenv(variable) != "" }
}

// words are what is between commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// settings are what the operator begins with that its CrawlFleet may say. Certificates and keys for
// Temporal are not among them: they are files, which whoever installs the operator mounts.
type settings struct {
	temporalAddress, temporalNamespace, recipients string
}

// settingsOf are what a CrawlFleet says, as far as neither flags nor the environment do.
func (o *options) settingsOf(fleet *v1alpha1.CrawlFleet) settings {
	s := settings{o.temporal.Address, o.temporal.Namespace, o.recipients}
	if t := fleet.Spec.Temporal; t.Address != "" {
		if !o.fleet.said("temporal-address", "TEMPORAL_ADDRESS") {
			s.temporalAddress = string(t.Address)
		}
		if !o.fleet.said("temporal-namespace", "TEMPORAL_NAMESPACE") && t.Namespace != "" {
			s.temporalNamespace = t.Namespace
		}
	}
	if list := fleet.Spec.Profiles.Recipients; len(list) > 0 && !o.fleet.said("profile-recipients", "CRAWLFLEET_PROFILE_RECIPIENTS") {
		var all []string
		for _, r := range list {
			all = append(all, string(r))
		}
		s.recipients = strings.Join(all, ",")
	}
	return s
}

// begin has the operator begin with what its CrawlFleet says, and returns how to tell whether that is
// still so. A cluster that does not know the kind yet says nothing.
func (o *options) begin(ctx context.Context, config *rest.Config) (changed func(*v1alpha1.CrawlFleet) bool, err error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	var fleet v1alpha1.CrawlFleet
	err = reader.Get(ctx, types.NamespacedName{Namespace: o.fleetNamespace, Name: v1alpha1.FleetName}, &fleet)
	if err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("read the CrawlFleet of namespace %s: %w", o.fleetNamespace, err)
	}
	flags := *o
	had := flags.settingsOf(&fleet)
	o.temporal.Address, o.temporal.Namespace, o.recipients = had.temporalAddress, had.temporalNamespace, had.recipients
	return func(now *v1alpha1.CrawlFleet) bool { return flags.settingsOf(now) != had }, nil
}

// watchFleet ends the operator when its CrawlFleet says something else than it began with: it is
// started anew then.
func (o *options) watchFleet(ctx context.Context, from cache.Cache, changed func(*v1alpha1.CrawlFleet) bool, end func(), log *slog.Logger) error {
	informer, err := from.GetInformer(ctx, &v1alpha1.CrawlFleet{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch CrawlFleets: %w", err)
	}
	look := func(object any) {
		fleet, ok := object.(*v1alpha1.CrawlFleet)
		if ok && fleet.Namespace == o.fleetNamespace && fleet.Name == v1alpha1.FleetName && changed(fleet) {
			log.Warn("the CrawlFleet names another Temporal, or other recipients of profiles, than this operator began with; it ends, to begin anew with them",
				"namespace", fleet.Namespace, "generation", fleet.Generation)
			end()
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, now any) { look(now) }})
	if err != nil {
		return fmt.Errorf("watch CrawlFleets: %w", err)
	}
	return nil
}

// cacheOptions keep the cache to the namespaces that orders are taken from, and what the operator makes
// to its own.
func (o *options) cacheOptions() cache.Options {
	own := map[string]cache.Config{o.fleetNamespace: {}}
	options := cache.Options{ByObject: map[client.Object]cache.ByObject{&v1alpha1.CrawlFleet{}: {Namespaces: own}}}
	for _, made := range crawlfleet.Made() {
		options.ByObject[made] = cache.ByObject{Namespaces: own}
	}
	if len(o.fleet.namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{o.fleetNamespace: {}}
		for _, n := range o.fleet.namespaces {
			options.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return options
}

// addMade makes the kinds known that the operator makes.
func addMade(scheme *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	return nil
}

// fleetReconciler makes what the CrawlFleet asks for.
func (o *options) fleetReconciler(mgr ctrl.Manager, runs temporal.Client, reports *crawljob.Reports, events kube.Events, log *slog.Logger) *crawlfleet.Reconciler {
	builds := &versions.Settler{Temporal: &versions.Temporal{Client: runs, Namespace: o.temporal.Namespace}, Log: log}
	demand := &scale.Temporal{Client: runs, Namespace: o.temporal.Namespace, Runs: reports}
	return &crawlfleet.Reconciler{
		Client:      mgr.GetClient(),
		Reader:      mgr.GetAPIReader(),
		Namespace:   o.fleetNamespace,
		Temporal:    &crawlfleet.Temporal{Client: runs, Address: o.temporal.Address, Namespace: o.temporal.Namespace},
		Wanted:      reports.Wanted(types.NamespacedName{Namespace: o.fleetNamespace, Name: v1alpha1.FleetName}),
		Scaler:      crawlfleet.ByDemand{Scaler: &scale.Scaler{Source: demand, Now: time.Now, Metrics: scale.NewMetrics(metrics.Registry)}},
		Versions:    crawlfleet.WorkerDeployment{Settler: builds},
		Versioned:   true,
		WorkerImage: o.fleet.workerImage,
		PortalImage: o.fleet.portalImage,
		Namespaces:  o.fleet.namespaces,
		Events:      events,
		Now:         time.Now,
	}
}
