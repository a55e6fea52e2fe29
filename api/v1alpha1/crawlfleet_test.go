package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// services are the two that a fleet needs before it has pods.
const services = `
temporal: {address: "temporal-frontend.temporal.svc:7233"}
store: {endpoint: https://s3.example.org, credentialsSecret: crawlfleet-s3}
`

// instance writes a CrawlFleet with the given rest of spec.
func instance(rest string) string {
	return `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlFleet
metadata: {name: crawlfleet, namespace: crawlfleet-system}
spec:
  policy: {purposes: [Testing]}
` + indent(rest)
}

const (
	temporalAt = "temporal: {address: \"t.example:7233\"%}"
	storeAt    = "temporal: {address: \"t.example:7233\"}\nstore: {endpoint: https://s3.example, credentialsSecret: s3%}"
	portalAt   = services + "portal: {externalURL: https://portal.example, replayURL: https://replay.example, oidc: {issuer: https://login.example/realm, clientID: portal}%}"
	poolAt     = services + "pools: [{name: browsers%}]"
)

// with puts fields into one of the above.
func with(in, fields string) string {
	if fields != "" {
		fields = ", " + fields
	}
	return strings.Replace(in, "%", fields, 1)
}

func TestInstanceRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleetFile)
	for name, tc := range map[string]struct{ reason, rest, want string }{
		"PoolsAlone":        {"A worker asks both.", "pools: [{name: browsers}]", "pools need to know where Temporal and the store are: give temporal and store"},
		"PoolsWithoutStore": {"", with(temporalAt, "") + "\npools: [{name: browsers}]", "give temporal and store"},
		"ConductorsAlone":   {"", "conductors: {replicas: 1}", "conductors need to know where Temporal and the store are"},
		"PortalAlone":       {"", strings.TrimPrefix(with(portalAt, ""), services), "the portal needs to know"},
		"StoreAlone":        {"", "store: {endpoint: https://s3.example, credentialsSecret: s3}", "give temporal, too"},

		"Scheme":      {"People paste addresses.", "temporal: {address: \"https://t.example:7233\"}", "must be host:port without a scheme"},
		"NoPort":      {"", "temporal: {address: t.example}", "must be host:port"},
		"LargePort":   {"", "temporal: {address: \"t.example:70000\"}", "must be host:port"},
		"NoAddress":   {"", "temporal: {namespace: fleet}", "spec.temporal.address: Required value"},
		"APIKey":      {"A Secret has many keys.", with(temporalAt, "apiKey: {secretName: temporal}"), "spec.temporal.apiKey.key: Required value"},
		"ServerName":  {"", with(temporalAt, "tls: {serverName: \"t.example:7233\"}"), "must be a host name"},
		"Hint":        {"A hint that says nothing is a slip.", with(temporalAt, "network: {}"), "should have at least 1 properties"},
		"CIDR":        {"What is meant is not clear.", with(temporalAt, "network: {cidrs: [10.1.2.3/8]}"), "without bits behind the prefix"},
		"NoCIDR":      {"", with(temporalAt, "network: {cidrs: [10.1.2.3]}"), "must be a range of addresses"},
		"Endpoint":    {"", "temporal: {address: \"t.example:7233\"}\nstore: {endpoint: s3.example, credentialsSecret: s3}", "must be http://host:port or https://host"},
		"Path":        {"The store is asked for buckets by path.", "temporal: {address: \"t.example:7233\"}\nstore: {endpoint: https://s3.example/archive, credentialsSecret: s3}", "without a path"},
		"Credentials": {"A fleet is read by many.", "temporal: {address: \"t.example:7233\"}\nstore: {endpoint: \"https://key:secret@s3.example\", credentialsSecret: s3}", "without credentials"},
		"OneBucket":   {"Their rights differ.", with(storeAt, "archiveBucket: all, frontierBucket: all"), "must be two buckets"},
		"BucketName":  {"", with(storeAt, "archiveBucket: My_Bucket"), "must be the name of a bucket"},
		"SecretName":  {"", "temporal: {address: \"t.example:7233\"}\nstore: {endpoint: https://s3.example, credentialsSecret: My_Secret}", "must be the name of a Secret"},

		"SigningOfNothing": {"", "signing: {key: key.pem}", "signing must have a secretName"},
		"StampsAlone":      {"Nothing is signed.", "signing: {custody: {secretName: custody}, stampAuthorities: [https://tsa.example]}", "are about signatures: give secretName, too"},
		"Domain":           {"A certificate ends, a signature does not.", "signing: {secretName: signing, certificate: cert.pem}", "the signature of a domain has a time stamp"},
		"Authority":        {"", "signing: {secretName: signing, stampAuthorities: [tsa.example]}", "must be an http:// or https:// address"},
		"KeyPath":          {"Files of a Secret are in no folders.", "signing: {secretName: signing, key: ../key.pem}", "must be a key of a Secret"},
		"Payloads":         {"", "payloads: {encryption: Optional}", "spec.payloads.secretName: Required value"},
		"Recipient":        {"The private key is for the workers alone.", "profiles: {recipients: [AGE-SECRET-KEY-1" + strings.Repeat("Q", 58) + "], identitySecret: identity}", "must be a public key of age"},
		"Recipients":       {"", "profiles: {identitySecret: identity}", "spec.profiles.recipients: Required value"},

		"NoProxy":         {"", "egress: {proxyCASecret: ca}", "are about a proxy: give proxy, too"},
		"GatewayAndProxy": {"One would be without effect.", "egress: {gateway: {replicas: 3}, proxy: \"http://proxy.example:3128\"}", "there is no gateway then"},
		"NoGateway":       {"", "egress: {gateway: {replicas: 0}}", "should be greater than or equal to 1"},
		"ProxyPassword":   {"A fleet is read by many.", "egress: {proxy: \"http://me:secret@proxy.example:3128\"}", "user name and password are in proxyCredentialsSecret"},
		"ProxyPort":       {"A NetworkPolicy needs it.", "egress: {proxy: \"http://proxy.example\"}", "a host and a port"},
		"ProxyCA":         {"It would be without effect.", "egress: {proxy: \"http://proxy.example:3128\", proxyCASecret: ca}", "for a proxy that is asked over TLS"},
		"NameServer":      {"So would this.", "egress: {proxy: \"socks5h://proxy.example:1080\", nameServer: 192.0.2.53}", "is asked nothing when a socks5h proxy"},
		"NameServerOf":    {"Who would resolve its name?", "egress: {nameServer: dns.example}", "must be an address"},
		"NoEgress":        {"", "egress: {}", "should have at least 1 properties"},

		"NoList":       {"", "hashList: {file: hashes.txt}", "give secretName for a short list"},
		"TwoLists":     {"", "hashList: {file: hashes.txt, secretName: list, claimName: list}", "or claimName for one on a volume"},
		"Collector":    {"", "traces: {endpoint: \"collector:4318\"}", "must be an http:// or https:// address"},
		"Image":        {"", "images: {worker: \"crawlfleet worker\"}", "must be the name of an image"},
		"PullPolicy":   {"", "images: {pullPolicy: always}", `supported values: "Always", "IfNotPresent", "Never"`},
		"NoConductors": {"Crawls would stand still.", services + "conductors: {replicas: 0}", "should be greater than or equal to 1"},
		"NoPools":      {"", services + "pools: []", "should have at least 1 items"},
		"PoolTwice":    {"", services + "pools: [{name: a}, {name: a}]", "Duplicate value"},
		"PoolName":     {"It is in the names of objects.", services + "pools: [{name: My Pool}]", "must be one word of lower case letters"},
		"External":     {"It would be without effect.", with(poolAt, "scaling: {mode: External, min: 1}"), "leave out min, max and scaleInDelaySeconds"},
		"Bounds":       {"", with(poolAt, "scaling: {min: 5, max: 3}"), "max must be at least min"},
		"Seccomp":      {"", with(poolAt, "seccompProfile: {type: Localhost}"), "localhostProfile names the file of type Localhost"},
		"SeccompFile":  {"", with(poolAt, "seccompProfile: {localhostProfile: chromium.json}"), "of type Localhost, and of no other"},
		"SeccompRoot":  {"", with(poolAt, "seccompProfile: {type: Localhost, localhostProfile: /etc/passwd}"), "must be a relative path"},
		"RuntimeDefault": {"The browser's own sandbox is not to be had with it.", with(poolAt, "seccompProfile: {type: RuntimeDefault}"),
			`supported values: "Unconfined", "Localhost"`},
		"Toleration": {"", with(poolAt, "tolerations: [{effect: NoSchedule}]"), "without a key it is every taint"},
		"Exists":     {"", with(poolAt, "tolerations: [{key: spot, operator: Exists, value: a}]"), "leave value out"},
		"Seconds":    {"", with(poolAt, "tolerations: [{key: spot, value: a, tolerationSeconds: 5}]"), "is about the effect NoExecute"},
		"Amount":     {"", with(poolAt, "resources: {limits: {memory: much}}"), "spec.pools[0].resources.limits.memory"},
		"Resource":   {"A field that does not exist is not passed over.", with(poolAt, "resources: {limits: {gpu: 1}}"), "unknown field"},

		"SameHost":     {"Archived pages would be sent its cookies.", services + "portal: {externalURL: \"https://portal.example:8443\", replayURL: https://portal.example, oidc: {issuer: https://l.example, clientID: p}}", "another host name than externalURL"},
		"NoProvider":   {"Nobody could be told apart.", services + "portal: {externalURL: https://portal.example, replayURL: https://replay.example}", "spec.portal.oidc: Required value"},
		"Catalogs":     {"Two would write into one file.", with(portalAt, "replicas: 2, catalog: {type: PersistentVolumeClaim}"), "a catalog on a volume is of one portal"},
		"OwnSessions":  {"Each would end the sessions of the other.", with(portalAt, "replicas: 2, replayKeys: {secretName: s, key: replay-keys}"), "give sessionKeys and replayKeys"},
		"OwnReplays":   {"Each would refuse the addresses of the other.", with(portalAt, "replicas: 2, sessionKeys: {secretName: s, key: session-keys}"), "give sessionKeys and replayKeys"},
		"StorageClass": {"", with(portalAt, "catalog: {storageClassName: fast}"), "set type to PersistentVolumeClaim"},
		"Roots":        {"", with(portalAt, "trust: {domains: [archive.example]}"), "domains and domainRoots need each other"},
		"Stamps":       {"", with(portalAt, "dossiers: {organization: Agency, stampAuthorities: [https://tsa.example]}"), "give signKey, too"},
		"Country":      {"", with(portalAt, "regions: [nl]"), "two capital letters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := s.create(t, instance(tc.rest))
			if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestInstanceAccepted(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleetFile)
	for _, rest := range []string{
		"", with(temporalAt, ""), services, with(temporalAt, "tls: {}, apiKey: {secretName: temporal, key: key}"),
		with(temporalAt, "network: {cidrs: [10.0.0.0/8, 192.0.2.7/32, \"2001:db8::/32\"], port: 7234}"),
		"temporal: {address: \"[2001:db8::1]:7233\", tls: {caSecret: ca, secretName: client, serverName: t.example}}",
		with(storeAt, "browserCredentialsSecret: s3-browsers, portalCredentialsSecret: s3-portal, network: {port: 9000}"),
		"signing: {custody: {secretName: custody}}",
		"signing: {secretName: signing, certificate: cert.pem, stampAuthorities: [http://tsa.example/tsr], stampRoots: roots.pem, custody: {secretName: custody, verifiers: retired.pub}}",
		"profiles: {recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p], identitySecret: identity}",
		"egress: {proxy: \"socks5h://proxy.proxies.svc:1080\", proxyCredentialsSecret: proxy, allowPrivate: [10.20.0.0/16]}",
		"hashList: {file: hashes.txt, claimName: known-images, pictureMegabytes: 32}\ntraces: {endpoint: \"http://collector.observability:4318\", protocol: GRPC, sampledPercent: 10}",
		"egress: {nameServer: \"[2001:db8::53]:5353\"}", "egress: {nameServer: 192.0.2.53}",
		services + "conductors: {resources: {requests: {cpu: 2, memory: 1Gi}}, nodeSelector: {disk: fast}, priorityClassName: system-cluster-critical}",
		with(poolAt, "scaling: {min: 0}, tabs: 8, capacity: Spot, tolerations: [{operator: Exists}]"),
		with(poolAt, "scaling: {mode: External}, seccompProfile: {type: Localhost, localhostProfile: crawlfleet/chromium.json}"),
		with(poolAt, "resources: {requests: {cpu: 500m, ephemeral-storage: 5Gi}}, scratch: 10Gi, sharedMemory: 512Mi"),
		with(portalAt, "replicas: 2, sessionKeys: {secretName: portal, key: session}, replayKeys: {secretName: portal, key: replay}, regions: [NL, DE]"),
		services + "portal: {externalURL: https://portal.example, replayURL: \"https://*.replay.example\", oidc: {issuer: https://l.example, clientID: p}, catalog: {type: PersistentVolumeClaim, storageClassName: fast}}",
	} {
		if _, errs := s.create(t, instance(rest)); len(errs) > 0 {
			t.Errorf("%s: %v", rest, errs.ToAggregate())
		}
	}
}

// TestInstanceDefaults: what need not be said.
func TestInstanceDefaults(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleetFile)
	obj, errs := s.create(t, instance(with(portalAt, "catalog: {}")+"\npools: [{name: browsers, scaling: {}}]\nconductors: {replicas: 2}\nsigning: {secretName: signing, custody: {secretName: custody}}\npayloads: {secretName: keys}"))
	if err := errs.ToAggregate(); err != nil && !strings.Contains(err.Error(), "at least 1 properties") {
		t.Fatal(err)
	}
	want := map[string]any{
		"policy":     map[string]any{"purposes": []any{"Testing"}, "approvals": int64(0)},
		"temporal":   map[string]any{"address": "temporal-frontend.temporal.svc:7233", "namespace": "crawlfleet"},
		"store":      map[string]any{"endpoint": "https://s3.example.org", "region": "us-east-1", "archiveBucket": "crawlfleet-archive", "frontierBucket": "crawlfleet-frontier", "credentialsSecret": "crawlfleet-s3"},
		"conductors": map[string]any{"replicas": int64(2), "scratch": "4Gi"},
		"signing":    map[string]any{"secretName": "signing", "key": "key.pem", "custody": map[string]any{"secretName": "custody", "key": "custody.key"}},
		"payloads":   map[string]any{"secretName": "keys", "encryption": "Required"},
		"pools": []any{map[string]any{
			"name": "browsers", "tabs": int64(4), "capacity": "OnDemand", "scratch": "18Gi", "sharedMemory": "1Gi", "scaling": map[string]any{"mode": "Operator"},
		}},
		"portal": map[string]any{
			"externalURL": "https://portal.example", "replayURL": "https://replay.example", "replicas": int64(1),
			"oidc":    map[string]any{"issuer": "https://login.example/realm", "clientID": "portal", "usernameClaim": "sub"},
			"catalog": map[string]any{"type": "EmptyDir", "size": "10Gi"}, "sessionSeconds": int64(28800), "sessionIdleSeconds": int64(3600),
		},
	}
	if diff := cmp.Diff(want, obj.Object["spec"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInstanceChanges: an instance is no part of the evidence: it may become another one.
func TestInstanceChanges(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleetFile)
	if errs := s.update(t, instance(with(poolAt, "")), instance("")); len(errs) > 0 {
		t.Errorf("a change is refused: %v", errs)
	}
}

func TestPoolScaling(t *testing.T) {
	t.Parallel()
	n := func(i int32) *int32 { return &i }
	for name, tc := range map[string]struct {
		scaling     v1alpha1.PoolScaling
		least, most int32
		delay       time.Duration
	}{
		"Nothing": {v1alpha1.PoolScaling{}, 1, 1, 5 * time.Minute},
		"Min":     {v1alpha1.PoolScaling{Min: n(3)}, 3, 3, 5 * time.Minute},
		"Zero":    {v1alpha1.PoolScaling{Min: n(0)}, 0, 1, 5 * time.Minute},
		"Max":     {v1alpha1.PoolScaling{Max: 7, ScaleInDelaySeconds: n(0)}, 1, 7, 0},
		"Both":    {v1alpha1.PoolScaling{Min: n(0), Max: 7, ScaleInDelaySeconds: n(60)}, 0, 7, time.Minute},
	} {
		least, most := tc.scaling.Bounds()
		if least != tc.least || most != tc.most || tc.scaling.ScaleInDelay() != tc.delay {
			t.Errorf("%s: %d to %d, after %v", name, least, most, tc.scaling.ScaleInDelay())
		}
	}
}
