{{/* All names are fixed: a cluster has one installation. */}}
{{- define "lablet.name" -}}lablet-controller{{- end }}

{{- define "lablet.labels" -}}
{{ include "lablet.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "lablet.selector" -}}
app.kubernetes.io/name: lablet-controller
{{- end }}

{{/* The component keeps the pod of `helm test` out of the Service. */}}
{{- define "lablet.podSelector" -}}
{{ include "lablet.selector" . }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "lablet.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "lablet.subject" -}}
- kind: ServiceAccount
  name: {{ .Values.serviceAccount.name | quote }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Where what Knative cannot deliver goes. */}}
{{- define "lablet.deadLetterSink" -}}
{{- if .Values.knative.deadLetterSink }}
{{- toYaml .Values.knative.deadLetterSink }}
{{- else -}}
ref:
  apiVersion: messaging.knative.dev/v1
  kind: Channel
  name: lablet-dead-letters
  namespace: {{ .Release.Namespace }}
{{- end }}
{{- end }}
