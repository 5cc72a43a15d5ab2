{{/* Files of the program: each kind has a folder of its own under /etc/lablet, read again when the Secret changes. */}}
{{- define "lablet.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- with .Values.ingest.secret.name }}
- name: ingest-secret
  secret: {secretName: {{ . | quote }}}
{{- end }}
{{- with .Values.ingest.tls.secret }}
- name: ingest-tls
  secret: {secretName: {{ . | quote }}}
{{- end }}
{{- with .Values.ingest.clientCa.secret }}
- name: ingest-client-ca
  secret: {secretName: {{ . | quote }}}
{{- end }}
{{- with .Values.trust }}
{{- if .configMap }}
- name: trust
  configMap: {name: {{ .configMap | quote }}}
{{- else if .secret }}
- name: trust
  secret: {secretName: {{ .secret | quote }}}
{{- end }}
{{- end }}
{{- if .Values.persistence.enabled }}
- name: data
  persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim | default (include "lablet.name" .) | quote }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "lablet.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.ingest.secret.name }}
- name: ingest-secret
  mountPath: /etc/lablet/ingest-secret
  readOnly: true
{{- end }}
{{- if .Values.ingest.tls.secret }}
- name: ingest-tls
  mountPath: /etc/lablet/ingest-tls
  readOnly: true
{{- end }}
{{- if .Values.ingest.clientCa.secret }}
- name: ingest-client-ca
  mountPath: /etc/lablet/ingest-client-ca
  readOnly: true
{{- end }}
{{- if or .Values.trust.configMap .Values.trust.secret }}
- name: trust
  mountPath: /etc/lablet/trust
  readOnly: true
{{- end }}
{{- if .Values.persistence.enabled }}
- name: data
  mountPath: /var/lib/lablet
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
