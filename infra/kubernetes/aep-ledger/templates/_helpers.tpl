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

{{/* The secrets that a role is given, and no others: file name -> reference. Argument: dict "root" $ "role" NAME. */}}
{{- define "ledger.secrets" -}}
{{- $values := .root.Values -}}
{{- $files := dict -}}
{{- if eq .role "sequencer" }}{{ $_ := set $files "ledger-key" $values.secrets.ledgerKey }}{{ end -}}
{{- if ne .role "follower" }}{{ $_ := set $files "intake-key" $values.secrets.intakeKey }}{{ end -}}
{{- if eq .role "http" }}{{ $_ := set $files "admin-token" $values.secrets.adminToken }}{{ end -}}
{{- if ne .role "sequencer" }}{{ $_ := set $files "clickhouse-password" $values.clickhouse.password }}{{ end -}}
{{- if $values.kafka.sasl.mechanism }}{{ $_ := set $files "kafka-password" $values.kafka.sasl.password }}{{ end -}}
{{- if $values.kafka.tlsCa.secret }}{{ $_ := set $files "kafka-ca" $values.kafka.tlsCa }}{{ end -}}
{{- toJson $files -}}
{{- end -}}
