{{/* Values that are right one by one and wrong together: all of them at once, each with what to do. */}}
{{- define "lablet.problems" -}}
{{- $v := .Values }}
{{- $urls := concat $v.cloudEvents.sinks (list $v.cloudEvents.deadLetterUrl $v.evidence.url $v.archive.url) }}
{{- range $urls }}
{{- if and (hasPrefix "file:" .) (not (and $v.persistence.enabled (hasPrefix "file:///var/lib/lablet/" .))) }}
- {{ . }}: the file system of the pod is read-only; set persistence.enabled=true and write file:///var/lib/lablet/...
{{- end }}
{{- end }}
{{- if and (hasPrefix "file:" $v.archive.url) (gt (int $v.replicas) 1) }}
- archive.url={{ $v.archive.url }}: an archive in files is for one replica; set replicas=1, or keep it in s3://BUCKET/PREFIX
{{- end }}
{{- if and $v.persistence.enabled (gt (int $v.replicas) 1) (not $v.persistence.existingClaim) (not (has "ReadWriteMany" $v.persistence.accessModes)) }}
- persistence: several replicas share the volume; set replicas=1, or persistence.accessModes={ReadWriteMany}
{{- end }}
{{- if and $v.cloudEvents.sinks $v.cloudEvents.sinksSecret.name }}
- cloudEvents.sinks and cloudEvents.sinksSecret both name sinks; write all of them into one place
{{- end }}
{{- if and $v.cloudEvents.deadLetterUrl $v.cloudEvents.deadLetterSecret.name }}
- cloudEvents.deadLetterUrl and cloudEvents.deadLetterSecret both name a sink; write it into one place
{{- end }}
{{- with $v.ingest }}
{{- if and (eq .auth "token") (not .audience) }}
- ingest.auth=token needs ingest.audience: the audience that senders ask their tokens for
{{- end }}
{{- if and (eq .auth "token") (not .allowedSubjects) }}
- ingest.auth=token needs ingest.allowedSubjects: who may send, e.g. system:serviceaccount:exams:*
{{- end }}
{{- if and (eq .auth "secret") (not .secret.name) }}
- ingest.auth=secret needs ingest.secret.name: a Secret with the secrets that senders show
{{- end }}
{{- if and (eq .auth "mtls") (not (and .tls.secret .clientCa.secret)) }}
- ingest.auth=mtls needs ingest.tls.secret and ingest.clientCa.secret
{{- end }}
{{- if and .audience (ne .auth "token") }}
- ingest.audience does nothing with ingest.auth={{ .auth }}: it is for token
{{- end }}
{{- if and .allowedSubjects (not (has .auth (list "token" "mtls"))) }}
- ingest.allowedSubjects does nothing with ingest.auth={{ .auth }}: it is for token and mtls
{{- end }}
{{- if and .secret.name (ne .auth "secret") }}
- ingest.secret does nothing with ingest.auth={{ .auth }}: it is for secret
{{- end }}
{{- if and .clientCa.secret (ne .auth "mtls") }}
- ingest.clientCa does nothing with ingest.auth={{ .auth }}: it is for mtls
{{- end }}
{{- end }}
{{- if and (ne $v.service.type "ClusterIP") (eq $v.ingest.auth "none") }}
- service.type={{ $v.service.type }} with ingest.auth=none: anybody could send results of gradings; set ingest.auth
{{- end }}
{{- if and $v.lds.url (not $v.lds.credentialsSecret) }}
- lds.url needs lds.credentialsSecret: a Secret with username and password
{{- end }}
{{- if and $v.gradingEngine.url (not (and $v.gradingEngine.tokenUrl $v.gradingEngine.credentialsSecret)) }}
- gradingEngine.url needs gradingEngine.tokenUrl and gradingEngine.credentialsSecret
{{- end }}
{{- if and $v.trust.configMap $v.trust.secret }}
- trust.configMap and trust.secret: the authorities are in one of them; set the other to ""
{{- end }}
{{- if and $v.proxy.secret (or $v.proxy.https $v.proxy.http) }}
- proxy.secret and proxy.https or proxy.http both name a proxy; write it into one place
{{- end }}
{{- if le (int $v.terminationGracePeriodSeconds) (int $v.drainSeconds) }}
- terminationGracePeriodSeconds={{ $v.terminationGracePeriodSeconds }} leaves no time to end after drainSeconds={{ $v.drainSeconds }}; add 30
{{- end }}
{{- end }}
