# --- where it runs ---------------------------------------------------------------------------------

variable "name" {
  description = "Name of the ECS service, and prefix of the names of what belongs to it. The gate's metrics have it as the dimension `Service`."
  type        = string
  default     = "headgate"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,25}$", var.name))
    error_message = "Must begin with a letter and have at most 26 lower-case letters, digits and hyphens."
  }
}

variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z0-9-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", var.cluster_arn))
    error_message = "Must be the ARN of a cluster, such as arn:aws:ecs:eu-central-1:123456789012:cluster/ml."
  }
}

variable "vpc_id" {
  description = "VPC of the tasks and of the load balancer."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "Must be the id of a VPC, such as vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the tasks, in at least two availability zones, with a way to ECR, CloudWatch Logs and Secrets Manager (NAT or VPC endpoints)."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2 && length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "Give at least two different subnets, in two availability zones."
  }
}

variable "assign_public_ip" {
  description = "Give tasks a public address. Only for public subnets without NAT or VPC endpoints."
  type        = bool
  default     = false
  nullable    = false
}

variable "create_service" {
  description = "Create the ECS service and its autoscaling. With false, only what a service needs is there: for the first `headgate db upgrade`, and for the module gateway-blue-green, which has a service of its own."
  type        = bool
  default     = true
  nullable    = false
}

# --- how clients reach it ----------------------------------------------------------------------------

variable "public_name" {
  description = "Host name under which clients reach the gate, such as `mlflow.example.com`; the certificate is for it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.public_name))
    error_message = "Must be a host name in lower case, such as mlflow.example.com, without a scheme, port or path."
  }
}

variable "create_load_balancer" {
  description = "Create an Application Load Balancer with an HTTPS listener. With false, `listener_arn` names an existing listener."
  type        = bool
  default     = true
  nullable    = false
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, also of an existing one: from their networks the gate believes `X-Forwarded-For` and `X-Forwarded-Proto`."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.load_balancer_subnet_ids) >= 2 && length(distinct(var.load_balancer_subnet_ids)) == length(var.load_balancer_subnet_ids)
    error_message = "Give at least two different subnets; a load balancer needs two availability zones."
  }
}

variable "trusted_proxies" {
  description = "Networks from which the gate believes `X-Forwarded-For`. Null: the networks of `load_balancer_subnet_ids`, which Terraform looks up."
  type        = list(string)
  default     = null
  nullable    = true

  validation {
    condition     = var.trusted_proxies == null || try(length(var.trusted_proxies) > 0 && alltrue([for each in var.trusted_proxies : can(cidrhost(each, 0))]), false)
    error_message = "Each must be a network, such as 10.0.0.0/24; without one, all clients would have the address of the load balancer."
  }

  validation {
    condition     = var.trusted_proxies == null || try(!contains([for each in var.trusted_proxies : split("/", each)[1]], "0"), true)
    error_message = "A network with the prefix length 0 lets every client choose the address that limits and logs see."
  }
}

variable "load_balancer_internal" {
  description = "Whether the new load balancer is reached from the VPC and its peers alone."
  type        = bool
  default     = true
  nullable    = false
}

variable "client_cidr_blocks" {
  description = "Networks that may reach the new load balancer."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for each in var.client_cidr_blocks : can(cidrnetmask(each))])
    error_message = "Each must be an IPv4 network, such as 10.0.0.0/16."
  }

  validation {
    condition     = !var.create_load_balancer || length(var.client_cidr_blocks) + length(var.client_security_group_ids) > 0
    error_message = "Nobody could reach the load balancer: give client_cidr_blocks or client_security_group_ids."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may reach the new load balancer, by a name of your choice."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "certificate_arn" {
  description = "ARN of the certificate in ACM for `public_name`. Needed with a new load balancer."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:[a-z0-9-]+:(acm:[a-z0-9-]+:[0-9]{12}:certificate/.+|iam::[0-9]{12}:server-certificate/.+)$", var.certificate_arn))
    error_message = "Must be the ARN of a certificate, such as arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555."
  }

  validation {
    condition     = !var.create_load_balancer || var.certificate_arn != null
    error_message = "A new load balancer needs certificate_arn: without TLS, keys would cross the network in clear text."
  }
}

variable "ssl_policy" {
  description = "TLS policy of the new listener."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  nullable    = false

  validation {
    condition     = startswith(var.ssl_policy, "ELBSecurityPolicy-")
    error_message = "Must be a policy of Elastic Load Balancing, such as ELBSecurityPolicy-TLS13-1-2-2021-06."
  }
}

variable "load_balancer_idle_timeout" {
  description = "Seconds for which the load balancer waits while nothing is sent, also that of an existing one. Longer than the 120 seconds that MLflow's client waits, and long enough for MLflow to fetch a large artifact from S3 before its first byte. The gate keeps idle connections 15 seconds longer."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.load_balancer_idle_timeout >= 1 && var.load_balancer_idle_timeout <= 4000 && floor(var.load_balancer_idle_timeout) == var.load_balancer_idle_timeout
    error_message = "A load balancer takes 1 to 4000 seconds."
  }
}

variable "load_balancer_deletion_protection" {
  description = "Keep the new load balancer from being deleted."
  type        = bool
  default     = true
  nullable    = false
}

variable "access_logs_bucket" {
  description = "Bucket for the access logs of the new load balancer; null: none. The gate's own access log has more."
  type        = string
  default     = null
  nullable    = true
}

variable "listener_arn" {
  description = "ARN of the HTTPS listener of an existing load balancer, with `create_load_balancer = false`. The module adds a rule for `public_name`."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.listener_arn == null || can(regex("^arn:[a-z0-9-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener/app/.+$", var.listener_arn))
    error_message = "Must be the ARN of a listener of an Application Load Balancer."
  }

  validation {
    condition     = var.create_load_balancer == (var.listener_arn == null)
    error_message = "Give listener_arn exactly when create_load_balancer is false."
  }
}

variable "listener_rule_priority" {
  description = "Priority of the rule at an existing listener. Null: the next free one."
  type        = number
  default     = null
  nullable    = true

  validation {
    condition     = var.listener_rule_priority == null || try(var.listener_rule_priority >= 1 && var.listener_rule_priority <= 50000, false)
    error_message = "Must be from 1 to 50000."
  }
}

variable "load_balancer_security_group_id" {
  description = "Security group of an existing load balancer, which gets a way to the gate."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.create_load_balancer == (var.load_balancer_security_group_id == null)
    error_message = "Give load_balancer_security_group_id exactly when create_load_balancer is false: only from it can the gate be reached."
  }
}

variable "hosted_zone_id" {
  description = "Hosted zone of Route 53 in which `public_name` is made, as an alias of the new load balancer; null: you make it."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.hosted_zone_id == null || var.create_load_balancer
    error_message = "The name of an existing load balancer is yours to make: leave hosted_zone_id out."
  }
}

variable "deregistration_delay" {
  description = "Seconds for which the load balancer lets requests to a task finish, before ECS sends SIGTERM to it."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deregistration_delay >= 5 && var.deregistration_delay <= 3600
    error_message = "Must be from 5 to 3600 seconds."
  }
}

# --- the task ----------------------------------------------------------------------------------------

variable "image" {
  description = "Image of the gate, by digest or by the tag of a version. `headgate ecs deploy` replaces it in the revisions that it makes."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Must name a digest (…@sha256:…) or the tag of a version, not `latest`: nobody could say what runs, nor roll back to it."
  }
}

variable "cpu" {
  description = "CPU of a task in units of Fargate; 1024 is one vCPU."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "Fargate has tasks with 256, 512, 1024, 2048, 4096, 8192 and 16384 units."
  }
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition = (
      var.cpu == 256 ? contains([512, 1024, 2048], var.memory) :
      var.cpu == 8192 ? var.memory >= 16384 && var.memory <= 61440 && var.memory % 4096 == 0 :
      var.cpu == 16384 ? var.memory >= 32768 && var.memory <= 122880 && var.memory % 8192 == 0 :
      var.memory >= var.cpu * 2 && var.memory <= min(var.cpu * 8, 30720) && var.memory % 1024 == 0
    )
    error_message = "Fargate does not have this memory with this cpu: 256 units take 512, 1024 or 2048 MiB, 512 take 1 to 4 GiB, 1024 take 2 to 8, 2048 take 4 to 16, 4096 take 8 to 30 (in steps of 1 GiB), 8192 take 16 to 60 (4), 16384 take 32 to 120 (8)."
  }
}

variable "cpu_architecture" {
  description = "`ARM64` or `X86_64`; the image must have it."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "Must be ARM64 or X86_64."
  }
}

variable "capacity_providers" {
  description = "Capacity providers by name, each with its share of the tasks, such as `{ FARGATE = { base = 2, weight = 1 }, FARGATE_SPOT = { weight = 3 } }`. Empty: FARGATE. The cluster must have them."
  type = map(object({
    base   = optional(number, 0)
    weight = optional(number, 1)
  }))
  default  = {}
  nullable = false
}

variable "desired_count" {
  description = "Number of tasks at the start. Later, autoscaling and `headgate ecs` change it, and Terraform leaves it as it is."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.desired_count >= 1 && floor(var.desired_count) == var.desired_count
    error_message = "Must be at least 1."
  }

  validation {
    condition     = !var.autoscaling.enabled || var.desired_count >= var.autoscaling.min && var.desired_count <= var.autoscaling.max
    error_message = "Must lie between autoscaling.min and autoscaling.max."
  }
}

variable "autoscaling" {
  description = <<-EOT
    How many tasks there are: between `min` and `max`, so many that on average a task uses `cpu_percent` of its CPU and
    has `in_flight` requests in progress, whichever needs more. The latter is the gate's own metric `InFlight`.
    Cooldowns are in seconds.
  EOT
  type = object({
    enabled            = optional(bool, true)
    min                = optional(number, 2)
    max                = optional(number, 6)
    cpu_percent        = optional(number, 60)
    in_flight          = optional(number, 200)
    scale_in_cooldown  = optional(number, 300)
    scale_out_cooldown = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.autoscaling.min >= 1 && var.autoscaling.max >= var.autoscaling.min
    error_message = "autoscaling.min must be at least 1, and autoscaling.max at least autoscaling.min."
  }

  validation {
    condition     = var.autoscaling.cpu_percent >= 10 && var.autoscaling.cpu_percent <= 90
    error_message = "autoscaling.cpu_percent must be from 10 to 90: above that, tasks are busy before others have started."
  }

  validation {
    condition     = var.autoscaling.in_flight >= 1
    error_message = "autoscaling.in_flight must be at least 1."
  }

  validation {
    condition     = !var.autoscaling.enabled || var.cloudwatch_metrics
    error_message = "Autoscaling follows the metric InFlight, which needs cloudwatch_metrics = true."
  }
}

variable "enable_execute_command" {
  description = "Allow ECS Exec: a shell in the task, for those whom IAM lets in. The root file system can then be written to, which ECS Exec needs."
  type        = bool
  default     = false
  nullable    = false
}

variable "deployment_alarm_names" {
  description = "CloudWatch alarms that stop a deployment and roll it back, such as `HeadgateGateErrorsFast-NAME` and `HeadgateNoEndpoint-NAME-default` of the module observability."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "health_check_grace_period" {
  description = "Seconds for which ECS ignores the load balancer's health checks of a new task."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.health_check_grace_period >= 0
    error_message = "Must not be negative."
  }
}

# --- the gate ----------------------------------------------------------------------------------------

variable "upstream_url" {
  description = "Where MLflow is (`upstreams.default.url`): `http://host:port`, `https://…`, several of them with commas between, `srv+http://name`, or `cloudmap://namespace/service`; output `upstream_url` of the module service-discovery."
  type        = string
  nullable    = false

  validation {
    condition = alltrue([
      for each in split(",", var.upstream_url) :
      can(regex("^(https?://[A-Za-z0-9._\\[\\]:-]+/?|srv\\+https?://[A-Za-z0-9._-]+/?|cloudmap://[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(\\?port=[0-9]{1,5})?)$", trimspace(each)))
    ])
    error_message = "Must be http://host:port, https://host:port, srv+http://name without a port, or cloudmap://namespace/service; without a path."
  }
}

variable "upstream_host_header" {
  description = "The `Host` that the gate sends to MLflow: `auto`, `name`, `address` or a literal value; output `mlflow_host` of the module service-discovery where MLflow has `allowed_hosts`."
  type        = string
  default     = "auto"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._:\\[\\]-]+$", var.upstream_host_header))
    error_message = "Must be auto, name, address, or a host such as mlflow.ml.internal:5000."
  }
}

variable "port" {
  description = "Port of the gate in its tasks."
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && var.port != 9464
    error_message = "Must be from 1024 to 65535, since the gate does not run as root, and not 9464, which the operators' listener has."
  }
}

variable "workers" {
  description = "Worker processes in each task; one for each vCPU is enough."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.workers >= 1 && var.workers <= 256 && floor(var.workers) == var.workers
    error_message = "Must be from 1 to 256."
  }
}

variable "lame_duck" {
  description = "Seconds after SIGTERM in which the gate still serves new connections (`listen.lame_duck`)."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.lame_duck >= 0
    error_message = "Must not be negative."
  }
}

variable "drain_timeout" {
  description = "Seconds after that in which requests in progress finish (`listen.drain_timeout`)."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.drain_timeout > 0
    error_message = "Must be over 0."
  }
}

variable "stop_timeout" {
  description = "Seconds from SIGTERM to SIGKILL."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.stop_timeout <= 120
    error_message = "Fargate takes at most 120 seconds."
  }

  validation {
    condition     = var.stop_timeout >= var.lame_duck + var.drain_timeout + 5
    error_message = "Must be at least 5 seconds more than lame_duck and drain_timeout together, or requests in progress are cut off."
  }
}

variable "database_url_secret_arn" {
  description = "Reference of the secret with the URL of the PostgreSQL database that the tasks share as their key store (`auth.database_url`): an ARN of Secrets Manager, also with a JSON key and a version (`ARN:KEY:STAGE:VERSION`), or of a parameter in SSM. The disk of a task ends with the task, so there is no gate on Fargate without one."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z0-9-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+$", var.database_url_secret_arn))
    error_message = "Must be the ARN of a secret or of a parameter, not the URL itself: it would be in Terraform's state."
  }
}

variable "first_key_sha256" {
  description = "SHA-256 of the first key, from `headgate keys digest`. It is no secret. Remove it when the key is revoked."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.first_key_sha256 == null || can(regex("^[0-9a-f]{64}$", var.first_key_sha256))
    error_message = "Must be 64 hexadecimal digits in lower case: the digest, not the key."
  }

  validation {
    condition     = var.first_key_sha256 == null || var.first_key_sha256_secret_arn == null
    error_message = "Give first_key_sha256 or first_key_sha256_secret_arn, not both."
  }
}

variable "first_key_sha256_secret_arn" {
  description = "Reference of a secret or parameter with that SHA-256, instead of `first_key_sha256`."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.first_key_sha256_secret_arn == null || can(regex("^arn:[a-z0-9-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+$", var.first_key_sha256_secret_arn))
    error_message = "Must be the ARN of a secret or of a parameter."
  }
}

variable "secrets_kms_key_arns" {
  description = "Customer managed keys that the secrets are encrypted with."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for each in var.secrets_kms_key_arns : can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", each))])
    error_message = "Each must be the ARN of a key (not of an alias)."
  }
}

variable "cloudwatch_metrics" {
  description = "Write metrics once a minute, which CloudWatch Logs extracts (`telemetry.cloudwatch.enabled`)."
  type        = bool
  default     = true
  nullable    = false
}

variable "cloudwatch_namespace" {
  description = "Namespace of these metrics."
  type        = string
  default     = "Headgate"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,255}$", var.cloudwatch_namespace)) && !startswith(var.cloudwatch_namespace, "AWS/")
    error_message = "Must have letters, digits, `.`, `_`, `/` and `-`, and not begin with AWS/."
  }
}

variable "log_health_checks" {
  description = "Which health checks have a line in the access log (`log.health_checks`): `all`, `errors`, `none`, or a rate from 0 to 1. Load balancer and ECS check every task every 10 seconds."
  type        = string
  default     = "errors"
  nullable    = false

  validation {
    condition     = contains(["all", "errors", "none"], var.log_health_checks) || can(regex("^(0(\\.[0-9]+)?|1(\\.0+)?)$", var.log_health_checks))
    error_message = "Must be all, errors, none, or a rate from 0 to 1."
  }
}

variable "environment" {
  description = "Any other setting of the gate, by its environment variable, such as `{ HEADGATE_LIMITS__RATES__READS = \"50/s\" }`. Variables that no gate reads are refused."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = length([
      for name in keys(var.environment) : name
      if !contains(local.known.names, name) && !anytrue([for each in local.known.patterns : can(regex(each, name))]) && !can(regex(local.foreign, name))
    ]) == 0
    error_message = "These are no environment variables of the gate: ${join(", ", [
      for name in keys(var.environment) : name
      if !contains(local.known.names, name) && !anytrue([for each in local.known.patterns : can(regex(each, name))]) && !can(regex(local.foreign, name))
    ])}. The configuration reference lists all (docs/reference/configuration.md); besides them, names that begin with OTEL_, AWS_, PG or SSL_CERT_ are taken, and TZ and NO_COLOR."
  }

  validation {
    condition     = length(setintersection(keys(var.environment), local.own_names)) == 0
    error_message = "The module sets these itself: ${join(", ", setintersection(keys(var.environment), local.own_names))}. Use its variables."
  }

  validation {
    condition     = !contains([for name in keys(var.environment) : can(regex("(PASSWORD|SECRET|TOKEN|DATABASE_URL)$", name))], true)
    error_message = "A secret here would be in Terraform's state and in the task definition: use environment_secrets."
  }
}

variable "environment_secrets" {
  description = "Environment variables from secrets: references of Secrets Manager or SSM, by the name of the variable."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = length([
      for name in keys(var.environment_secrets) : name
      if !contains(local.known.names, name) && !anytrue([for each in local.known.patterns : can(regex(each, name))]) && !can(regex(local.foreign, name))
    ]) == 0
    error_message = "These are no environment variables of the gate: ${join(", ", [
      for name in keys(var.environment_secrets) : name
      if !contains(local.known.names, name) && !anytrue([for each in local.known.patterns : can(regex(each, name))]) && !can(regex(local.foreign, name))
    ])}."
  }

  validation {
    condition     = length(setintersection(keys(var.environment_secrets), setunion(local.own_names, keys(var.environment)))) == 0
    error_message = "A variable may be set once: by the module, in environment, or in environment_secrets."
  }
}

# --- the network, and what is logged -----------------------------------------------------------------

variable "egress_rules" {
  description = "Where the gate may connect to besides HTTPS, by a name of your choice: MLflow and the database, such as `{ mlflow = { port = 5000, security_group_id = module.mlflow.security_group_id }, database = { port = 5432, cidr_ipv4 = \"10.0.8.0/24\" } }`."
  type = map(object({
    port              = number
    description       = optional(string)
    security_group_id = optional(string)
    cidr_ipv4         = optional(string)
    prefix_list_id    = optional(string)
  }))
  nullable = false

  validation {
    condition = alltrue([
      for each in var.egress_rules :
      length([for to in [each.security_group_id, each.cidr_ipv4, each.prefix_list_id] : to if to != null]) == 1
    ])
    error_message = "Each rule needs exactly one of security_group_id, cidr_ipv4 and prefix_list_id."
  }

  validation {
    condition     = alltrue([for each in var.egress_rules : each.port >= 1 && each.port <= 65535])
    error_message = "Each port must be from 1 to 65535."
  }
}

variable "https_egress_cidr_blocks" {
  description = "Networks that the gate may reach by HTTPS: ECR, Secrets Manager, CloudWatch Logs, Cloud Map, and the issuers of tokens."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = alltrue([for each in var.https_egress_cidr_blocks : can(cidrnetmask(each))])
    error_message = "Each must be an IPv4 network, such as 10.0.0.0/16."
  }
}

variable "client_task_security_group_ids" {
  description = "Security groups that may reach the tasks directly, past the load balancer, by a name of your choice: programs in the VPC that find the gate in Cloud Map."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "registry" {
  description = "Where the tasks are registered in Cloud Map: output `gateway_registry` of the module service-discovery; null: nowhere."
  type = object({
    arn  = string
    srv  = optional(bool, false)
    port = optional(number, 8080)
    ttl  = optional(number, 10)
  })
  default  = null
  nullable = true

  validation {
    condition     = var.registry == null || try(var.registry.port == var.port, false)
    error_message = "registry.port and port must be the same."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch Logs keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "log_kms_key_arn" {
  description = "Key that the logs are encrypted with. Null: CloudWatch's own."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.log_kms_key_arn == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.log_kms_key_arn))
    error_message = "Must be the ARN of a key (not of an alias)."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z0-9-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "Must be the ARN of a policy."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
