locals {
  known = jsondecode(file("${path.module}/environment.json"))
  # Variables of the libraries in the gate: OpenTelemetry, AWS's SDK, libpq, OpenSSL.
  foreign = "^(OTEL|AWS|PG|SSL_CERT)_?[A-Z0-9_]+$|^(TZ|NO_COLOR)$"

  # Those of `own_environment` and `own_secrets`; written out, since validations of variables use it.
  own_names = [
    "HEADGATE_AUTH__DATABASE_URL",
    "HEADGATE_AUTH__DATABASE_URL_FILE",
    "HEADGATE_AUTH__FIRST_KEY_SHA256",
    "HEADGATE_AUTH__FIRST_KEY_SHA256_FILE",
    "HEADGATE_AUTH__MODE",
    "HEADGATE_DATA",
    "HEADGATE_LIMITS__KEEPALIVE_TIMEOUT",
    "HEADGATE_LISTEN__DRAIN_TIMEOUT",
    "HEADGATE_LISTEN__HOST",
    "HEADGATE_LISTEN__LAME_DUCK",
    "HEADGATE_LISTEN__PORT",
    "HEADGATE_LISTEN__PUBLIC_NAMES",
    "HEADGATE_LISTEN__TRUSTED_PROXIES",
    "HEADGATE_LISTEN__WORKERS",
    "HEADGATE_LOG__EVENTS_FILE",
    "HEADGATE_LOG__FILE",
    "HEADGATE_LOG__FORMAT",
    "HEADGATE_LOG__HEALTH_CHECKS",
    "HEADGATE_OPS__LISTEN",
    "HEADGATE_TELEMETRY__CLOUDWATCH__ENABLED",
    "HEADGATE_TELEMETRY__CLOUDWATCH__NAMESPACE",
    "HEADGATE_TELEMETRY__CLOUDWATCH__SERVICE",
    "HEADGATE_UPSTREAMS__DEFAULT__HOST_HEADER",
    "HEADGATE_UPSTREAMS__DEFAULT__URL",
    "MLFLOW_SERVER_URL",
  ]

  trusted_proxies = var.trusted_proxies != null ? var.trusted_proxies : data.aws_subnet.load_balancer[*].cidr_block

  own_environment = {
    AWS_DEFAULT_REGION                        = data.aws_region.current.id
    HEADGATE_AUTH__MODE                       = "keys"
    HEADGATE_DATA                             = "/tmp/headgate"
    HEADGATE_LIMITS__KEEPALIVE_TIMEOUT        = tostring(var.load_balancer_idle_timeout + 15)
    HEADGATE_LISTEN__DRAIN_TIMEOUT            = tostring(var.drain_timeout)
    HEADGATE_LISTEN__HOST                     = "0.0.0.0"
    HEADGATE_LISTEN__LAME_DUCK                = tostring(var.lame_duck)
    HEADGATE_LISTEN__PORT                     = tostring(var.port)
    HEADGATE_LISTEN__PUBLIC_NAMES             = var.public_name
    HEADGATE_LISTEN__TRUSTED_PROXIES          = join(",", local.trusted_proxies)
    HEADGATE_LISTEN__WORKERS                  = tostring(var.workers)
    HEADGATE_LOG__FORMAT                      = "json"
    HEADGATE_LOG__HEALTH_CHECKS               = var.log_health_checks
    HEADGATE_OPS__LISTEN                      = "127.0.0.1:9464"
    HEADGATE_TELEMETRY__CLOUDWATCH__ENABLED   = tostring(var.cloudwatch_metrics)
    HEADGATE_TELEMETRY__CLOUDWATCH__NAMESPACE = var.cloudwatch_namespace
    HEADGATE_TELEMETRY__CLOUDWATCH__SERVICE   = var.name
    HEADGATE_UPSTREAMS__DEFAULT__HOST_HEADER  = var.upstream_host_header
    HEADGATE_UPSTREAMS__DEFAULT__URL          = var.upstream_url
    TMPDIR                                    = "/tmp"
  }
  environment = merge(
    local.own_environment,
    var.first_key_sha256 == null ? {} : { HEADGATE_AUTH__FIRST_KEY_SHA256 = var.first_key_sha256 },
    var.environment,
  )
  secrets = merge(
    { HEADGATE_AUTH__DATABASE_URL = var.database_url_secret_arn },
    var.first_key_sha256_secret_arn == null ? {} : { HEADGATE_AUTH__FIRST_KEY_SHA256 = var.first_key_sha256_secret_arn },
    var.environment_secrets,
  )

  # Namespace and service of each upstream that the gate finds by Cloud Map's API.
  cloudmap = distinct(flatten([
    for name, value in local.environment : [
      for each in split(",", value) : split("?", trimprefix(trimspace(each), "cloudmap://"))[0]
      if startswith(trimspace(each), "cloudmap://")
    ] if can(regex("^HEADGATE_UPSTREAMS__.+__URL$", name))
  ]))

  needs_task_policy = length(local.cloudmap) > 0

  # The actions know no resources; the keys narrow them to the services that the gate asks for.
  discovery_policy = {
    Version = "2012-10-17"
    Statement = [for index, each in local.cloudmap : {
      Sid      = "FindMlflow${index}"
      Effect   = "Allow"
      Action   = ["servicediscovery:DiscoverInstances", "servicediscovery:DiscoverInstancesRevision"]
      Resource = ["*"]
      Condition = {
        StringEquals = {
          "servicediscovery:NamespaceName" = split("/", each)[0]
          "servicediscovery:ServiceName"   = split("/", each)[1]
        }
      }
    }]
  }

  container_definition = {
    name         = local.container
    image        = var.image
    essential    = true
    entryPoint   = ["headgate"]
    command      = ["serve"]
    portMappings = [{ containerPort = var.port, hostPort = var.port, protocol = "tcp" }]
    environment  = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    secrets      = [for name in sort(keys(local.secrets)) : { name = name, valueFrom = local.secrets[name] }]

    # Whether the process works, not whether it reaches MLflow: ECS replaces tasks that fail this.
    healthCheck = {
      command     = ["CMD", "headgate", "health"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }
    stopTimeout            = var.stop_timeout
    readonlyRootFilesystem = !var.enable_execute_command
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
      # In memory, and writable by every user: empty volumes of Fargate belong to root.
      tmpfs = [{ containerPath = "/tmp", size = 64, mountOptions = ["rw", "noexec", "nosuid", "nodev"] }]
    }
    ulimits = [{ name = "nofile", softLimit = 65535, hardLimit = 65535 }]

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.id
        awslogs-stream-prefix = "gate"
        mode                  = "non-blocking"
        max-buffer-size       = "25m"
      }
    }
  }
}

data "aws_subnet" "load_balancer" {
  count = var.trusted_proxies == null ? length(var.load_balancer_subnet_ids) : 0

  id = var.load_balancer_subnet_ids[count.index]
}
