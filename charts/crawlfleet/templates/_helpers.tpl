{{/* The labels of what belongs to the fleet as a whole, and of a component: dict "root" $ "component" NAME. */}}
{{- define "crawlfleet.labels" -}}
app.kubernetes.io/name: crawlfleet
app.kubernetes.io/instance: {{ .Release.Namespace }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "crawlfleet.selector" -}}
app.kubernetes.io/name: crawlfleet
app.kubernetes.io/instance: {{ .root.Release.Namespace }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- define "crawlfleet.componentLabels" -}}
{{ include "crawlfleet.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The name of an image: dict "root" $ "image" .Values.images.X. */}}
{{- define "crawlfleet.image" -}}
{{- with .root.Values.images.registry }}{{ . }}/{{ end }}
{{- .image.name }}
{{- with .image.tag | default (ternary "" .root.Chart.AppVersion (ne .image.digest "")) }}:{{ . }}{{ end }}
{{- with .image.digest }}@{{ . }}{{ end }}
{{- end }}
{{- define "crawlfleet.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the standard restricted of Pod Security asks of pods, and of containers. */}}
{{- define "crawlfleet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "crawlfleet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- define "crawlfleet.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The fleet's spec as YAML: that of the values, and where the services of the release are. */}}
{{- define "crawlfleet.fleet" -}}
{{- $fleet := deepCopy .Values.fleet }}
{{- if .Values.services.enabled }}
{{- $host := printf "crawlfleet-services.%s.svc" .Release.Namespace }}
{{- $here := dict "temporal" (dict "address" (printf "%s:7233" $host)) "store" (dict "endpoint" (printf "http://%s:7070" $host) "credentialsSecret" "crawlfleet-s3") }}
{{- $fleet = merge $fleet $here }}
{{- end }}
{{- toYaml $fleet }}
{{- end }}

{{/* The namespaces that the operator has rights in, where not in all: those of orders, and its own. */}}
{{- define "crawlfleet.served" -}}
{{- if .Values.namespaces }}{{ append .Values.namespaces .Release.Namespace | uniq | toYaml }}{{ end }}
{{- end }}

{{/* The objects of a file: a list as JSON, because templates return text. */}}
{{- define "crawlfleet.objects" -}}
{{- $objects := list }}
{{- range splitList "\n---\n" (printf "\n%s" .) }}
{{- with fromYaml . }}{{ $objects = append $objects . }}{{ end }}
{{- end }}
{{- toJson $objects }}
{{- end }}

{{/*
Rights in all namespaces, or in those that the fleet serves: dict "root" $ "name" NAME "account" ACCOUNT "rules" LIST.
A role in a namespace has the same name for every fleet: a second one that is to serve the namespace is refused.
*/}}
{{- define "crawlfleet.rights" -}}
{{- $root := .root }}
{{- $served := include "crawlfleet.served" $root | fromYamlArray }}
{{- if $served }}
{{- $given := . }}
{{- range $served }}
{{ include "crawlfleet.role" (dict "root" $root "namespace" . "name" $given.name "account" $given.account "rules" $given.rules) }}
{{- end }}
{{- else }}
{{ include "crawlfleet.role" (dict "root" $root "name" (printf "%s-%s" .account $root.Release.Namespace) "account" .account "rules" .rules) }}
{{- end }}
{{- end }}

{{/* A role and its binding; without a namespace they are of the cluster. */}}
{{- define "crawlfleet.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if .namespace }}Role{{ else }}ClusterRole{{ end }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "crawlfleet.labels" .root | nindent 4 }}
rules: {{- toYaml .rules | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if .namespace }}RoleBinding{{ else }}ClusterRoleBinding{{ end }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "crawlfleet.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ if .namespace }}Role{{ else }}ClusterRole{{ end }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ .account }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* The Secrets that a fleet names: a list as YAML. */}}
{{- define "crawlfleet.secrets" -}}
{{- $fleet := include "crawlfleet.fleet" . | fromYaml }}
{{- $names := list }}
{{- $temporal := default dict $fleet.temporal }}
{{- $store := default dict $fleet.store }}
{{- $signing := default dict $fleet.signing }}
{{- $portal := default dict $fleet.portal }}
{{- $names = concat $names (list (default dict $temporal.apiKey).secretName (default dict $temporal.tls).caSecret (default dict $temporal.tls).secretName) }}
{{- $names = concat $names (list $store.credentialsSecret $store.browserCredentialsSecret $store.portalCredentialsSecret) }}
{{- $names = concat $names (list $signing.secretName (default dict $signing.custody).secretName (default dict $fleet.payloads).secretName (default dict $fleet.profiles).identitySecret (default dict $fleet.hashList).secretName) }}
{{- $names = concat $names (list (default dict $fleet.egress).proxyCASecret (default dict $fleet.egress).proxyCredentialsSecret) }}
{{- $names = concat $names (list (default dict (default dict $portal.oidc).clientSecret).secretName (default dict $portal.oidc).caSecret $portal.tlsSecret) }}
{{- $names = concat $names (list (default dict $portal.sessionKeys).secretName (default dict $portal.replayKeys).secretName (default dict (default dict $portal.dossiers).signKey).secretName) }}
{{- $trust := default dict $portal.trust }}
{{- $names = concat $names (list (default dict $trust.domainRoots).secretName (default dict $trust.stampRoots).secretName) }}
{{- if .Values.ingress.enabled }}{{ $names = concat $names (list .Values.ingress.portalTLSSecret .Values.ingress.replayTLSSecret) }}{{ end }}
{{- concat $names .Values.images.pullSecrets | compact | uniq | toYaml }}
{{- end }}

{{/* Those of them that the Job of keys makes when they are missing: a list as YAML. */}}
{{- define "crawlfleet.made" -}}
{{- $names := list }}
{{- if .Values.keys.create }}
{{- $fleet := include "crawlfleet.fleet" . | fromYaml }}
{{- $signing := default dict $fleet.signing }}
{{- $portal := default dict $fleet.portal }}
{{- if .Values.services.enabled }}{{ $names = concat $names (list $fleet.store.credentialsSecret $fleet.store.browserCredentialsSecret $fleet.store.portalCredentialsSecret) }}{{ end }}
{{- $names = concat $names (list (default dict $fleet.payloads).secretName $signing.secretName (default dict $signing.custody).secretName) }}
{{- $names = concat $names (list (default dict $portal.sessionKeys).secretName (default dict $portal.replayKeys).secretName) }}
{{- end }}
{{- $names | compact | uniq | toYaml }}
{{- end }}

{{/* The operator's variables of OpenTelemetry, as the operator gives them to the workers by the fleet's traces: a map as YAML. */}}
{{- define "crawlfleet.telemetry" -}}
{{- $variables := dict }}
{{- with .Values.fleet.traces }}
{{- $_ := set $variables "OTEL_EXPORTER_OTLP_ENDPOINT" .endpoint }}
{{- if eq (default "HTTP" .protocol) "GRPC" }}{{ $_ := set $variables "OTEL_EXPORTER_OTLP_PROTOCOL" "grpc" }}{{ end }}
{{- $percent := default 100 .sampledPercent | int }}
{{- if lt $percent 100 }}
{{- $_ := set $variables "OTEL_TRACES_SAMPLER" "parentbased_traceidratio" }}
{{- $_ := set $variables "OTEL_TRACES_SAMPLER_ARG" (divf $percent 100 | toString) }}
{{- end }}
{{- end }}
{{- merge (deepCopy .Values.telemetry) $variables | toYaml }}
{{- end }}
