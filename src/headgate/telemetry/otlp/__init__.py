"""Traces and metrics for an OpenTelemetry collector, by OTLP over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp.  The messages are those of the package
``opentelemetry-proto``, which only modules here import, and only where something is exported.
"""
