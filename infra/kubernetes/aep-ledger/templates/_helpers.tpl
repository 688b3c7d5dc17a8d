{{- define "ledger.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What the selectors match: never changed, or an upgrade is refused. */}}
{{- define "ledger.selector" -}}
app.kubernetes.io/name: aep-ledger
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ledger.labels" -}}
{{ include "ledger.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ledger.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* How a role reaches Kafka: what stands under kafka, and over it what stands under the role. Argument: dict "root" $ "role" NAME. */}}
{{- define "ledger.kafka" -}}
{{- $own := (get .root.Values.roles .role).kafka | default dict -}}
{{- $kafka := mergeOverwrite (deepCopy .root.Values.kafka) (deepCopy $own) -}}
{{- $tls := $kafka.tls -}}
{{- $_ := set $tls "enabled" (or $tls.enabled (ne (print $tls.ca.secret $tls.client.secret $tls.servername) "")) -}}
{{- if eq $kafka.sasl.mechanism "none" }}{{ $_ := set $kafka.sasl "mechanism" "" }}{{ end -}}
{{- toJson $kafka -}}
{{- end -}}

{{/* The secrets that a role is given, and no others: file name -> reference. Argument: dict "root" $ "role" NAME. */}}
{{- define "ledger.secrets" -}}
{{- $values := .root.Values -}}
{{- $kafka := include "ledger.kafka" . | fromJson -}}
{{- $files := dict "metrics-token" $values.secrets.metricsToken -}}
{{- if eq .role "sequencer" }}{{ $_ := set $files "ledger-key" $values.secrets.ledgerKey }}{{ end -}}
{{- if ne .role "follower" }}{{ $_ := set $files "intake-key" $values.secrets.intakeKey }}{{ end -}}
{{- if eq .role "http" }}{{ $_ := set $files "admin-token" $values.secrets.adminToken }}{{ end -}}
{{- if ne .role "sequencer" }}{{ $_ := set $files "clickhouse-password" $values.clickhouse.password }}{{ end -}}
{{- with $values.trustedCa }}{{ if .secret }}{{ $_ := set $files "trusted-ca" . }}{{ end }}{{ end -}}
{{- with $kafka.tls.ca }}{{ if .secret }}{{ $_ := set $files "kafka-ca" . }}{{ end }}{{ end -}}
{{- with $kafka.tls.client }}{{ if .secret }}
{{- $_ := set $files "kafka-cert" (dict "secret" .secret "key" .certKey) -}}
{{- $_ := set $files "kafka-key" (dict "secret" .secret "key" .privateKey) -}}
{{- end }}{{ end -}}
{{- with $kafka.sasl }}
{{- if eq .mechanism "oauthbearer" }}{{ $_ := set $files "oauth-client-secret" .oauth.clientSecret -}}
{{- else if .mechanism }}{{ $_ := set $files "kafka-password" .password }}{{ end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}
