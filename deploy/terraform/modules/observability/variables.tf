variable "service" {
  description = "The gate's `telemetry.cloudwatch.service`: the value of the dimension `Service` of all its metrics. It ends the name of each alarm."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z._-]{1,100}$", var.service))
    error_message = "Must have 1 to 100 letters, digits, dots, hyphens and underscores, as telemetry.cloudwatch.service."
  }
}

variable "namespace" {
  description = "The gate's `telemetry.cloudwatch.namespace`."
  type        = string
  default     = "Headgate"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z./_#-]{1,255}$", var.namespace)) && !startswith(var.namespace, "AWS/")
    error_message = "Must be a namespace of CloudWatch that is not AWS's own, such as Headgate."
  }
}

variable "upstreams" {
  description = "Names of the gate's upstreams; each has alarms of its own."
  type        = set(string)
  default     = ["default"]
  nullable    = false

  validation {
    condition     = alltrue([for each in var.upstreams : can(regex("^[0-9A-Za-z._-]{1,64}$", each))])
    error_message = "Names of upstreams have 1 to 64 letters, digits, dots, hyphens and underscores."
  }
}

variable "log_group_name" {
  description = "The log group that the gate's standard output goes to, for queries and the heartbeat of the log."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z._/#-]{1,512}$", var.log_group_name))
    error_message = "Must be the name of a log group, such as /ecs/headgate, not its ARN."
  }
}

variable "documentation_url" {
  description = "URL below which the project's files can be read, such as `https://github.com/OWNER/headgate/blob/main`: each alarm links its section of the runbook there."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://[^\\s]+[^/\\s]$", var.documentation_url))
    error_message = "Must be an http or https URL without a slash at its end."
  }
}

variable "create_topics" {
  description = "Create two SNS topics, one for alarms that page and one for alarms that open a ticket. With false, `page_topic_arn` and `ticket_topic_arn` name existing ones."
  type        = bool
  default     = true
  nullable    = false
}

variable "page_topic_arn" {
  description = "An existing SNS topic for alarms that somebody has to look at now, with `create_topics = false`. Its policy has to let `cloudwatch.amazonaws.com` and `events.amazonaws.com` publish."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.page_topic_arn == null || can(regex("^arn:[a-z-]+:sns:", var.page_topic_arn))
    error_message = "Must be the ARN of an SNS topic."
  }

  validation {
    condition     = var.create_topics == (var.page_topic_arn == null)
    error_message = "Give page_topic_arn exactly when create_topics is false."
  }
}

variable "ticket_topic_arn" {
  description = "An existing SNS topic for alarms that can wait for a working day, with `create_topics = false`; it may be the same as `page_topic_arn`."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.ticket_topic_arn == null || can(regex("^arn:[a-z-]+:sns:", var.ticket_topic_arn))
    error_message = "Must be the ARN of an SNS topic."
  }

  validation {
    condition     = var.create_topics == (var.ticket_topic_arn == null)
    error_message = "Give ticket_topic_arn exactly when create_topics is false."
  }
}

variable "topic_kms_key_arn" {
  description = "A customer managed KMS key for the created topics. Its policy has to let `cloudwatch.amazonaws.com` and `events.amazonaws.com` use it, or no alarm arrives. With null, the topics are not encrypted at rest: alarms have names and numbers, no secrets, and AWS's own key would refuse CloudWatch."
  type        = string
  default     = null
  nullable    = true

  validation {
    condition     = var.topic_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.topic_kms_key_arn))
    error_message = "Must be the ARN of a KMS key."
  }
}

variable "page_once" {
  description = "Page through one composite alarm, which is in ALARM while any alarm that pages is: one incident pages once. With false, each alarm that pages does it by itself."
  type        = bool
  default     = true
  nullable    = false
}

variable "excluded_alarms" {
  description = "Alarms to leave out, by their names without the service, such as `HeadgateNearLimit`. Each alarm costs about $0.10 a month for each metric that it looks at."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for each in var.excluded_alarms : can(regex("^Headgate[A-Za-z]+$", each))])
    error_message = "Names of alarms start with Headgate and have no service, such as HeadgateNearLimit."
  }

  validation {
    condition     = length(setintersection(var.excluded_alarms, ["HeadgateDown", "HeadgateGateErrorsFast", "HeadgateNoEndpoint"])) == 0
    error_message = "HeadgateDown is what notices silence, and deployments stop on HeadgateGateErrorsFast and HeadgateNoEndpoint: these cannot be left out."
  }
}

variable "ecs" {
  description = <<-EOT
    The gate's ECS service: alarms on its CPU, its memory and failed deployments. With
    `container_insights`, which the cluster has to have turned on, an alarm fires also when tasks are
    missing for 15 minutes.
  EOT
  type = object({
    cluster_name       = string
    service_name       = string
    container_insights = optional(bool, false)
    cpu_percent        = optional(number, 80)
    memory_percent     = optional(number, 80)
  })
  default  = null
  nullable = true

  validation {
    condition     = var.ecs == null || can([for each in [var.ecs.cpu_percent, var.ecs.memory_percent] : regex("^ok$", each > 0 && each <= 100 ? "ok" : "")])
    error_message = "cpu_percent and memory_percent must be above 0 and at most 100."
  }

  validation {
    condition     = var.ecs == null || can(regex("^[0-9A-Za-z_-]{1,255}$", var.ecs.cluster_name)) && can(regex("^[0-9A-Za-z_-]{1,255}$", var.ecs.service_name))
    error_message = "cluster_name and service_name are names, not ARNs."
  }
}

variable "load_balancer" {
  description = <<-EOT
    The Application Load Balancer in front of the gate: alarms on targets that are not healthy, and on
    errors that the load balancer itself makes. `target_groups` has one entry, blue/green has two; keys
    are names of your own, values are `arn_suffix`.
  EOT
  type = object({
    arn_suffix    = string
    target_groups = map(string)
    errors_5xx    = optional(number, 20)
  })
  default  = null
  nullable = true

  validation {
    condition     = var.load_balancer == null || can(regex("^app/", var.load_balancer.arn_suffix)) && can([for each in var.load_balancer.target_groups : regex("^targetgroup/", each)])
    error_message = "arn_suffix starts with app/, those of target groups with targetgroup/."
  }

  validation {
    condition     = var.load_balancer == null || try(length(var.load_balancer.target_groups) > 0 && length(var.load_balancer.target_groups) <= 2, false)
    error_message = "Give one target group, or two for blue/green."
  }

  validation {
    condition     = var.load_balancer == null || try(var.load_balancer.errors_5xx >= 1, false)
    error_message = "errors_5xx is a number of responses in five minutes, at least 1."
  }
}

variable "tags" {
  description = "Tags for everything that can have them."
  type        = map(string)
  default     = {}
  nullable    = false
}
