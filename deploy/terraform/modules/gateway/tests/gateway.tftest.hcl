mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked", id = "mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/mocked", name = "/ecs/mocked" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mocked:7", revision = 7 }
  }
  mock_resource "aws_lb" {
    defaults = {
      arn      = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/headgate/0123456789abcdef"
      dns_name = "internal-headgate-1.eu-central-1.elb.amazonaws.com"
      zone_id  = "Z215JYRZR1TBD5"
    }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/gate-1/0123456789abcdef" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/headgate/0123456789abcdef/1" }
  }
  mock_resource "aws_security_group" {
    defaults = { id = "sg-0aaaaaaaaaaaaaaaa" }
  }
  mock_data "aws_subnet" {
    defaults = { cidr_block = "10.0.1.0/24" }
  }
}

variables {
  cluster_arn              = "arn:aws:ecs:eu-central-1:123456789012:cluster/ml"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  load_balancer_subnet_ids = ["subnet-0cccccccccccccccc", "subnet-0dddddddddddddddd"]
  client_cidr_blocks       = ["10.0.0.0/8"]
  public_name              = "mlflow.example.com"
  certificate_arn          = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  image                    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml/headgate:0.1.0"
  upstream_url             = "http://mlflow.ml.internal:5000"
  upstream_host_header     = "mlflow.ml.internal:5000"
  database_url_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:gate-AbCdEf:url::"
  egress_rules             = { mlflow = { port = 5000, security_group_id = "sg-0123456789abcdef0" } }
}

run "service" {
  command = apply

  assert {
    condition     = aws_ecs_service.this[0].deployment_minimum_healthy_percent == 100 && aws_ecs_service.this[0].deployment_maximum_percent == 200
    error_message = "New tasks start before old ones stop."
  }

  assert {
    condition     = aws_ecs_service.this[0].deployment_circuit_breaker[0].enable && aws_ecs_service.this[0].deployment_circuit_breaker[0].rollback
    error_message = "A deployment that fails is rolled back."
  }

  assert {
    condition     = aws_ecs_service.this[0].desired_count == 2 && length(aws_ecs_service.this[0].alarms) == 0
    error_message = "Two tasks, and no alarms unless they are named."
  }

  assert {
    condition     = aws_lb_target_group.this.health_check[0].path == "/health" && aws_lb_target_group.this.health_check[0].matcher == "200" && aws_lb_target_group.this.deregistration_delay == "30"
    error_message = "The load balancer asks /health, which does not depend on MLflow."
  }

  assert {
    condition     = aws_lb_listener.this[0].protocol == "HTTPS" && aws_lb.this[0].internal && aws_lb.this[0].idle_timeout == 300
    error_message = "HTTPS, internal, 300 seconds."
  }

  assert {
    condition     = aws_appautoscaling_policy.in_flight[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name == "InFlight" && one(aws_appautoscaling_policy.in_flight[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].dimensions).value == "headgate"
    error_message = "Autoscaling follows the gate's own metric."
  }

  assert {
    condition     = aws_appautoscaling_target.this[0].resource_id == "service/ml/headgate" && aws_appautoscaling_target.this[0].min_capacity == 2
    error_message = "Autoscaling is that of this service, with two tasks at least."
  }
}

run "network" {
  command = apply

  assert {
    condition     = aws_vpc_security_group_ingress_rule.task_from_load_balancer.referenced_security_group_id == aws_security_group.load_balancer[0].id && aws_vpc_security_group_ingress_rule.task_from_load_balancer.from_port == 8080
    error_message = "Tasks are reached by the load balancer, on the gate's port."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.task_from_client) == 0
    error_message = "Nobody else reaches the tasks."
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.load_balancer_from_network) == ["10.0.0.0/8"]
    error_message = "Only the named networks reach the load balancer."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.task["mlflow"].to_port == 5000 && keys(aws_vpc_security_group_egress_rule.task) == ["mlflow"]
    error_message = "The gate connects to MLflow and nothing else but HTTPS."
  }
}

run "permissions_without_cloud_map" {
  command = apply

  assert {
    condition = toset([for each in jsondecode(module.roles.execution_policy_json).Statement : each.Sid]) == toset([
      "WriteLogs", "LogInToEcr", "PullImages", "ReadSecrets",
    ])
    error_message = "The execution role has a permission too many, or too few."
  }

  assert {
    condition     = one([for each in jsondecode(module.roles.execution_policy_json).Statement : each.Resource if each.Sid == "ReadSecrets"]) == ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:gate-AbCdEf"]
    error_message = "It reads this secret, without the JSON key in the reference."
  }

  assert {
    condition     = one([for each in jsondecode(module.roles.execution_policy_json).Statement : each.Resource if each.Sid == "PullImages"]) == ["arn:aws:ecr:eu-central-1:123456789012:repository/ml/headgate"]
    error_message = "It pulls from this repository."
  }

  assert {
    condition     = !local.needs_task_policy
    error_message = "A gate that looks MLflow up in DNS may do nothing."
  }
}

run "permissions_with_cloud_map" {
  command = apply

  variables {
    upstream_url = "cloudmap://ml.internal/mlflow?port=5000"
    environment  = { HEADGATE_UPSTREAMS__TEAM-B__URL = "cloudmap://ml.internal/mlflow-b" }
  }

  assert {
    condition = [for each in local.discovery_policy.Statement : each.Condition.StringEquals] == [
      { "servicediscovery:NamespaceName" = "ml.internal", "servicediscovery:ServiceName" = "mlflow" },
      { "servicediscovery:NamespaceName" = "ml.internal", "servicediscovery:ServiceName" = "mlflow-b" },
    ]
    error_message = "The task role may discover the instances of exactly these services."
  }

  assert {
    condition     = local.needs_task_policy
    error_message = "The policy is attached."
  }
}

run "first_key_by_digest" {
  command = apply

  variables {
    first_key_sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
  }

  assert {
    condition = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, {
      name = "HEADGATE_AUTH__FIRST_KEY_SHA256", value = "1111111111111111111111111111111111111111111111111111111111111111",
    })
    error_message = "The gate gets the digest."
  }
}

run "first_key_by_reference" {
  command = apply

  variables {
    first_key_sha256_secret_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/gate/first-key"
  }

  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets) == 2
    error_message = "Two secrets."
  }

  assert {
    condition     = one([for each in jsondecode(module.roles.execution_policy_json).Statement : each.Action if each.Sid == "ReadParameters"]) == ["ssm:GetParameters"]
    error_message = "The execution role reads the parameter."
  }
}

run "existing_listener" {
  command = apply

  variables {
    create_load_balancer            = false
    certificate_arn                 = null
    client_cidr_blocks              = []
    listener_arn                    = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shared/0123456789abcdef/fedcba9876543210"
    load_balancer_security_group_id = "sg-0eeeeeeeeeeeeeeee"
  }

  assert {
    condition     = length(aws_lb.this) + length(aws_lb_listener.this) + length(aws_security_group.load_balancer) == 0
    error_message = "No second load balancer."
  }

  assert {
    condition     = one(one(aws_lb_listener_rule.this[0].condition).host_header[0].values) == "mlflow.example.com"
    error_message = "A rule for the public name."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.load_balancer_to_task.security_group_id == "sg-0eeeeeeeeeeeeeeee"
    error_message = "The existing load balancer may reach the tasks."
  }
}

run "without_service" {
  command = apply

  variables {
    create_service = false
  }

  assert {
    condition     = length(aws_ecs_service.this) + length(aws_appautoscaling_target.this) + length(aws_appautoscaling_policy.cpu) == 0
    error_message = "No service, and nothing that needs one."
  }

  assert {
    condition     = output.service_arn == null && output.task_definition_arn != null && output.target_group_arn != null
    error_message = "What a service needs is there."
  }
}

run "alarms_shell_and_capacity_providers" {
  command = apply

  variables {
    deployment_alarm_names = ["HeadgateNoEndpoint-headgate-default"]
    enable_execute_command = true
    capacity_providers     = { FARGATE = { base = 2 }, FARGATE_SPOT = { weight = 3 } }
  }

  assert {
    condition     = aws_ecs_service.this[0].alarms[0].rollback && length(aws_ecs_service.this[0].capacity_provider_strategy) == 2
    error_message = "Alarms roll back, and both capacity providers are used."
  }

  assert {
    condition     = !jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "ECS Exec needs a root file system that can be written."
  }
}
