{{- define "headgate.name" -}}
{{- if contains "headgate" .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- else -}}{{ printf "%s-headgate" (.Release.Name | trunc 41 | trimSuffix "-") }}{{- end -}}
{{- end }}
{{- define "headgate.selector" -}}
app.kubernetes.io/name: headgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "headgate.labels" -}}
{{ include "headgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "headgate.image" -}}
{{- if .Values.image.digest -}}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{- else -}}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}{{- end -}}
{{- end }}
{{- define "headgate.settings" -}}
{{- $listen := dict "host" "0.0.0.0" "port" 8080 "lame_duck" .Values.lameDuckSeconds "drain_timeout" .Values.drainSeconds "trusted_proxies" .Values.trustedProxies "public_names" .Values.publicNames -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $listen "tls" (dict "certificate" "/etc/headgate/tls/tls.crt" "key" "/etc/headgate/tls/tls.key") -}}
{{- end -}}
{{- $ours := dict "data" "/var/lib/headgate" "listen" $listen "ops" (dict "listen" "0.0.0.0:9464" "hosts" (list (printf "%s-ops.%s.svc" (include "headgate.name" .) .Release.Namespace))) "log" (dict "format" "json") "upstreams" (dict "default" (dict "url" .Values.mlflow.url)) -}}
{{- /* Helm reads numbers as floats, and TOML tells 2 from 2.0. */ -}}
{{- regexReplaceAll "(?m)^(\\s*\\S+ = -?[0-9]+)\\.0$" (mergeOverwrite $ours (deepCopy .Values.settings) | toToml) "${1}" -}}
{{- end }}
{{- define "headgate.check" -}}
{{- $most := int .Values.replicas -}}
{{- if .Values.autoscaling.enabled -}}{{- $most = int .Values.autoscaling.maxReplicas -}}
{{- if lt $most (int .Values.autoscaling.minReplicas) -}}{{- fail "autoscaling.maxReplicas is less than autoscaling.minReplicas" -}}{{- end -}}{{- end -}}
{{- if and (gt $most 1) (not .Values.auth.databaseUrlSecret.name) (not (eq (dig "auth" "mode" "" .Values.settings) "none")) -}}
{{- fail "more than one pod needs a shared key store: set auth.databaseUrlSecret.name to a Secret with a PostgreSQL URL" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}{{- fail "ingress.host is missing" -}}{{- end -}}
{{- end }}
