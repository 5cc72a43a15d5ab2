{{/*
The environment of the program. Every variable of src/app/config.ts that people set has its value here; what is empty is
left out, so that the program's own default holds.
*/}}
{{- define "lablet.env" -}}
{{- $v := .Values }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- $timeouts := list }}
{{- range $name, $value := $v.timeouts }}{{ $timeouts = append $timeouts (printf "%s=%v" $name $value) }}{{ end }}
{{- $aliases := list }}
{{- range $alias, $type := $v.ingest.typeAliases }}{{ $aliases = append $aliases (printf "%s=%s" $alias $type) }}{{ end }}
{{- $attributes := list }}
{{- range $name, $value := $v.tracing.resourceAttributes }}{{ $attributes = append $attributes (printf "%s=%s" $name (urlquery $value | replace "+" "%20")) }}{{ end }}
{{- $plain := dict
  "INGEST_PORT" $v.ports.ingest
  "OPS_PORT" $v.ports.ops
  "WEB_PORT" $v.ports.web
  "LISTEN_HOST" $v.listenHost
  "CLOUDEVENTS_SINK_URL" (join "," $v.cloudEvents.sinks)
  "CLOUDEVENTS_MODE" $v.cloudEvents.mode
  "CLOUDEVENTS_SOURCE" $v.cloudEvents.source
  "CLOUDEVENTS_DEAD_LETTER_URL" $v.cloudEvents.deadLetterUrl
  "INGEST_ALLOWED_SOURCES" (join "," $v.ingest.allowedSources)
  "INGEST_TYPE_ALIASES" (join "," $aliases)
  "INGEST_AUTH" $v.ingest.auth
  "INGEST_AUDIENCE" $v.ingest.audience
  "INGEST_ALLOWED_SUBJECTS" (join "," $v.ingest.allowedSubjects)
  "LDS_URL" $v.lds.url
  "LDS_CREDENTIALS_SECRET" $v.lds.credentialsSecret
  "GRADING_ENGINE_URL" $v.gradingEngine.url
  "GRADING_TOKEN_URL" $v.gradingEngine.tokenUrl
  "GRADING_CREDENTIALS_SECRET" $v.gradingEngine.credentialsSecret
  "EVIDENCE_URL" $v.evidence.url
  "ARCHIVE_URL" $v.archive.url
  "ARCHIVE_RETENTION" $v.archive.retention
  "AWS_REGION" $v.aws.region
  "AWS_ENDPOINT_URL_S3" $v.aws.endpointUrlS3
  "TOPOLOGY_ALLOW_HOSTS" (join "," $v.topologyAllowHosts)
  "MAX_WORKERS" $v.maxWorkers
  "SCALE_DOWN" (ternary "enabled" "disabled" $v.scaleDown)
  "LICENSE_SUPERSET" $v.licenseSuperset
  "ORPHAN_INSTANCE_POLICY" $v.orphanInstancePolicy
  "WATCH_NAMESPACES" (join "," $v.watchNamespaces)
  "DRAIN_DELAY" (printf "%ds" (int $v.drainSeconds))
  "LOG_LEVEL" $v.logLevel
  "CLUSTER_ID" $v.clusterId
  "TIMEOUTS" (join "," $timeouts)
  "OTEL_EXPORTER_OTLP_ENDPOINT" $v.tracing.endpoint
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" $v.tracing.tracesEndpoint
  "OTEL_EXPORTER_OTLP_PROTOCOL" $v.tracing.protocol
  "OTEL_TRACES_SAMPLER" $v.tracing.sampler
  "OTEL_TRACES_SAMPLER_ARG" $v.tracing.samplerRatio
  "OTEL_TRACES_EXPORTER" $v.tracing.exporter
  "OTEL_SERVICE_NAME" $v.tracing.serviceName
  "OTEL_RESOURCE_ATTRIBUTES" (join "," $attributes)
  "OTEL_SDK_DISABLED" $v.tracing.disabled
  "WEB_PAGE" (ternary "enabled" "disabled" $v.page.enabled)
  "WEB_AUDIENCE" $v.page.audience
  "HTTPS_PROXY" $v.proxy.https
  "HTTP_PROXY" $v.proxy.http
  "NO_PROXY" (join "," $v.proxy.noProxy)
}}
{{- if $v.ingest.secret.name }}{{ $_ := set $plain "INGEST_SECRET" (printf "/etc/lablet/ingest-secret/%s" $v.ingest.secret.key) }}{{ end }}
{{- if $v.ingest.tls.secret }}{{ $_ := set $plain "INGEST_TLS_CERT" "/etc/lablet/ingest-tls/tls.crt" }}{{ $_ := set $plain "INGEST_TLS_KEY" "/etc/lablet/ingest-tls/tls.key" }}{{ end }}
{{- if $v.ingest.clientCa.secret }}{{ $_ := set $plain "INGEST_CLIENT_CA" (printf "/etc/lablet/ingest-client-ca/%s" $v.ingest.clientCa.key) }}{{ end }}
{{- if or $v.trust.configMap $v.trust.secret }}{{ $_ := set $plain "NODE_EXTRA_CA_CERTS" (printf "/etc/lablet/trust/%s" $v.trust.key) }}{{ end }}
{{- range $name, $value := $plain }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
{{- with $v.cloudEvents.sinksSecret }}{{ if .name }}
- name: CLOUDEVENTS_SINK_URL
  valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}}
{{- end }}{{ end }}
{{- with $v.cloudEvents.deadLetterSecret }}{{ if .name }}
- name: CLOUDEVENTS_DEAD_LETTER_URL
  valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}}
{{- end }}{{ end }}
{{- with $v.cloudEvents.eventGridSecret }}{{ if .name }}
- name: EVENTGRID_KEY
  valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}}
{{- end }}{{ end }}
{{- with $v.tracing.headersSecret }}{{ if .name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}}
{{- end }}{{ end }}
{{- with $v.aws.credentialsSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: AWS_ACCESS_KEY_ID}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: AWS_SECRET_ACCESS_KEY}}
{{- end }}
{{- with $v.proxy.secret }}
- name: HTTPS_PROXY
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: HTTPS_PROXY, optional: true}}
- name: HTTP_PROXY
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: HTTP_PROXY, optional: true}}
{{- end }}
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
