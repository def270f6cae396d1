# --- where it runs ---------------------------------------------------------------------------------

variable "name" {
  description = "Name of the ECS service, and prefix of the names of what belongs to it."
  type        = string
  default     = "mlflow"
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
  description = "VPC of the tasks."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "Must be the id of a VPC, such as vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the tasks, in at least two availability zones, with a way to ECR, S3, CloudWatch Logs and Secrets Manager (NAT or VPC endpoints)."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2 && length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "Give at least two different subnets, in two availability zones: with one, the loss of a zone stops MLflow."
  }
}

variable "assign_public_ip" {
  description = "Give tasks a public address. Only for public subnets without NAT or VPC endpoints."
  type        = bool
  default     = false
  nullable    = false
}

variable "client_security_group_ids" {
  description = "Security groups that may reach MLflow, by a name of your choice: the gate's, such as `{ gateway = module.gateway.security_group_id }`. Nobody else can: who reaches MLflow needs no key."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.client_security_group_ids) > 0
    error_message = "Give at least the gate's security group, or nothing can reach MLflow."
  }
}

variable "registry" {
  description = "Where the tasks are registered: output `mlflow_registry` of the module service-discovery. `ttl` is in seconds, `port` MLflow's."
  type = object({
    arn  = string
    srv  = optional(bool, false)
    port = optional(number, 5000)
    ttl  = optional(number, 10)
  })
  nullable = false

  validation {
    condition     = can(regex("^arn:[a-z0-9-]+:servicediscovery:[a-z0-9-]+:[0-9]{12}:service/srv-[a-z0-9]+$", var.registry.arn))
    error_message = "registry.arn must be the ARN of a Cloud Map service, such as arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1234567890abcdef."
  }

  validation {
    condition     = var.registry.port > 1023 && var.registry.port <= 65535
    error_message = "registry.port must be from 1024 to 65535: MLflow need not run as root to listen there."
  }
}

variable "allowed_hosts" {
  description = "Values of `Host` that MLflow 3.5 and newer accept: output `mlflow_host` of the module service-discovery, which the gate must then send (`upstream_host_header` of the module gateway). Empty: MLflow's own default, private addresses of RFC 1918, which is what a gate with `host_header = \"auto\"` sends."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for each in var.allowed_hosts : can(regex("^[A-Za-z0-9_.:*\\[\\]-]+$", each))])
    error_message = "Each must be a host, with a port where clients send one, such as mlflow.ml.internal:5000; no commas, no scheme."
  }

  validation {
    condition     = !contains(var.allowed_hosts, "*")
    error_message = "\"*\" switches the protection against DNS rebinding off. Name the hosts, or leave the list empty for MLflow's default."
  }
}

# --- the task ----------------------------------------------------------------------------------------

variable "image" {
  description = "Image with MLflow, boto3 and the driver of the database (psycopg2), by digest or by a tag of a version. The official image has neither driver nor boto3; the README shows how to add them."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Must name a digest (…@sha256:…) or the tag of a version, not `latest`: two tasks could run different versions of MLflow on one database."
  }
}

variable "cpu" {
  description = "CPU of a task in units of Fargate; 1024 is one vCPU."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "Fargate has tasks with 256, 512, 1024, 2048, 4096, 8192 and 16384 units."
  }
}

variable "memory" {
  description = "Memory of a task in MiB. Each of MLflow's workers takes about 300 MiB, and several copies of the largest request body."
  type        = number
  default     = 4096
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

variable "ephemeral_storage" {
  description = "Disk of a task in GiB. MLflow writes every artifact to it whole before it sends it to S3 or to a client: give it several times your largest artifact."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.ephemeral_storage >= 21 && var.ephemeral_storage <= 200
    error_message = "Fargate takes 21 to 200 GiB."
  }
}

variable "desired_count" {
  description = "Number of tasks. With one, a task that dies leaves a gap until its successor is healthy; deployments have none."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.desired_count >= 1 && floor(var.desired_count) == var.desired_count
    error_message = "Must be at least 1: resolvers cache that a name without tasks does not exist for up to 300 seconds."
  }
}

variable "workers" {
  description = "Processes of MLflow in each task."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.workers >= 1 && var.workers <= 64 && floor(var.workers) == var.workers
    error_message = "Must be from 1 to 64."
  }

  validation {
    condition     = var.workers * 400 <= var.memory
    error_message = "These workers do not fit into memory: each needs about 300 MiB, and room for request bodies."
  }
}

variable "serve_seconds_after_sigterm" {
  description = "Seconds for which a task serves on after SIGTERM, since gates know its address for so long. Null: the TTL and 10 seconds more, for the time in which a gate looks again."
  type        = number
  default     = null
  nullable    = true

  validation {
    condition     = var.serve_seconds_after_sigterm == null || try(var.serve_seconds_after_sigterm >= var.registry.ttl && var.serve_seconds_after_sigterm <= 90, false)
    error_message = "Must be at least the TTL of the records, and at most 90: ECS kills a task 120 seconds after SIGTERM at the latest."
  }
}

variable "stop_timeout" {
  description = "Seconds from SIGTERM to SIGKILL. What is left after `serve_seconds_after_sigterm` is for the requests in progress."
  type        = number
  default     = 110
  nullable    = false

  validation {
    condition     = var.stop_timeout <= 120
    error_message = "Fargate takes at most 120 seconds."
  }

  validation {
    condition     = var.stop_timeout >= coalesce(var.serve_seconds_after_sigterm, var.registry.ttl + 10) + 10
    error_message = "Must be at least 10 seconds more than those in which the task serves on after SIGTERM, or requests in progress are cut off."
  }
}

variable "readonly_root_filesystem" {
  description = "Mount the root file system read-only. MLflow then writes to `/tmp` alone, on the task's disk."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = !(var.readonly_root_filesystem && var.enable_execute_command)
    error_message = "ECS Exec needs a root file system that can be written: set readonly_root_filesystem = false together with enable_execute_command."
  }
}

variable "user" {
  description = "User of the process, such as `1000:1000`; null: the image's. The image must then have `/tmp` as a VOLUME that this user may write, since empty volumes of Fargate belong to root."
  type        = string
  default     = null
  nullable    = true
}

variable "environment" {
  description = "Further environment variables of MLflow."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "Names of environment variables have letters, digits and underscores."
  }

  validation {
    condition = length(setintersection(keys(var.environment), [
      "MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_HOST", "MLFLOW_PORT", "MLFLOW_WORKERS",
      "MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_SERVE_ARTIFACTS",
    ])) == 0
    error_message = "Database URLs belong into database_url_secret_arn or environment_secrets, so that they do not appear in Terraform's state; host, port, workers, hosts and artifacts have variables of their own."
  }

  validation {
    condition     = !contains(keys(var.environment), "MLFLOW_STATIC_PREFIX")
    error_message = "With a static prefix MLflow keeps whole artifacts in memory. Leave it out: the gate adds and removes public prefixes (upstreams.NAME.prefixes)."
  }
}

variable "environment_secrets" {
  description = "Further environment variables from secrets: references of Secrets Manager or SSM, by the name of the variable."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.environment_secrets), keys(var.environment))) == 0
    error_message = "A variable may be in environment or in environment_secrets, not in both."
  }
}

variable "enable_jobs" {
  description = "Let MLflow run jobs (evaluation, prompt optimization). It starts eight more processes of 70 to 110 MiB in each task."
  type        = bool
  default     = false
  nullable    = false
}

variable "enable_execute_command" {
  description = "Allow ECS Exec: a shell in the task, for those whom IAM lets in."
  type        = bool
  default     = false
  nullable    = false
}

# --- what it stores ----------------------------------------------------------------------------------

variable "database_url_secret_arn" {
  description = "Reference of the secret with MLflow's database URL, such as `postgresql://mlflow:…@db.internal/mlflow?sslmode=verify-full&sslrootcert=…`: an ARN of Secrets Manager, also with a JSON key and a version (`ARN:KEY:STAGE:VERSION`), or of a parameter in SSM."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z0-9-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+$", var.database_url_secret_arn))
    error_message = "Must be the ARN of a secret or of a parameter, not the URL itself: it would be in Terraform's state."
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

variable "create_bucket" {
  description = "Create the bucket for artifacts. With false, `bucket_name` names an existing one."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket_name" {
  description = "Name of the bucket for artifacts. Null: a new one whose name begins with `name`."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "Must be the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens."
  }

  validation {
    condition     = var.create_bucket || var.bucket_name != null
    error_message = "With create_bucket = false, give the name of the existing bucket."
  }
}

variable "artifact_prefix" {
  description = "Prefix of all artifacts in the bucket, without slashes at its ends; empty: none. MLflow may read and write below it alone."
  type        = string
  default     = "artifacts"
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*)?$", var.artifact_prefix))
    error_message = "Must be a path such as artifacts or team/artifacts, without slashes at its ends."
  }
}

variable "bucket_kms_key_arn" {
  description = "Customer managed key for the artifacts. Null: keys of S3 (SSE-S3)."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.bucket_kms_key_arn == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.bucket_kms_key_arn))
    error_message = "Must be the ARN of a key (not of an alias)."
  }
}

variable "bucket_noncurrent_days" {
  description = "Days for which overwritten and deleted artifacts can be restored."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.bucket_noncurrent_days >= 1
    error_message = "Must be at least 1."
  }
}

variable "bucket_force_destroy" {
  description = "Let `terraform destroy` delete the bucket with all artifacts in it."
  type        = bool
  default     = false
  nullable    = false
}

# --- the network, and what is logged -----------------------------------------------------------------

variable "egress_rules" {
  description = "Where MLflow may connect to besides HTTPS, by a name of your choice: its database, such as `{ database = { port = 5432, security_group_id = \"sg-…\" } }`."
  type = map(object({
    port              = number
    description       = optional(string)
    security_group_id = optional(string)
    cidr_ipv4         = optional(string)
    prefix_list_id    = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for each in var.egress_rules :
      length([for to in [each.security_group_id, each.cidr_ipv4, each.prefix_list_id] : to if to != null]) == 1
    ])
    error_message = "Each rule needs exactly one of security_group_id, cidr_ipv4 and prefix_list_id."
  }
}

variable "https_egress_cidr_blocks" {
  description = "Networks that MLflow may reach by HTTPS: S3, ECR, Secrets Manager and CloudWatch Logs, or the VPC endpoints for them."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = alltrue([for each in var.https_egress_cidr_blocks : can(cidrnetmask(each))])
    error_message = "Each must be an IPv4 network, such as 10.0.0.0/16."
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
