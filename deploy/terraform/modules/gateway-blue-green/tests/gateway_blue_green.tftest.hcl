mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/green/0123456789abcdef" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/headgate/0123456789abcdef/0123456789abcdef" }
  }
  mock_resource "aws_lb_listener_rule" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/headgate/0123456789abcdef/0123456789abcdef/0123456789abcdef" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/headgate-blue-green" }
  }
}

variables {
  cluster_arn                     = "arn:aws:ecs:eu-central-1:123456789012:cluster/ml"
  task_definition_arn             = "arn:aws:ecs:eu-central-1:123456789012:task-definition/headgate:7"
  vpc_id                          = "vpc-0123456789abcdef0"
  subnet_ids                      = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  task_security_group_id          = "sg-0123456789abcdef0"
  target_group_arn                = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/blue/0123456789abcdef"
  load_balancer_arn               = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/headgate/0123456789abcdef"
  load_balancer_security_group_id = "sg-0123456789abcdef1"
  listener_arn                    = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/headgate/0123456789abcdef/0123456789abcdee"
  public_name                     = "mlflow.example.com"
  certificate_arn                 = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  test_cidrs                      = ["10.0.0.0/16"]
}

run "service" {
  assert {
    condition     = aws_ecs_service.this.task_definition == var.task_definition_arn && aws_ecs_service.this.desired_count == 2
    error_message = "The service starts with the template of the module gateway."
  }
  assert {
    condition     = [for each in aws_lb_listener_rule.production.action[0].forward[0].target_group : each.weight if each.arn == var.target_group_arn] == [100]
    error_message = "Blue has all requests at first."
  }
  assert {
    condition     = aws_lb_target_group.green.health_check[0].path == "/health"
    error_message = "A gate is not replaced because MLflow is down."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.test["10.0.0.0/16"].from_port == 8443 && output.test_url == "https://mlflow.example.com:8443"
    error_message = "Operators reach the test listener, and nobody else does."
  }
  assert {
    condition     = !contains(flatten([for each in jsondecode(aws_iam_role_policy.this.policy).Statement : each.Resource if each.Sid != "Read"]), "*")
    error_message = "ECS changes only this service's rules, listeners and groups."
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only this account's ECS may use the role."
  }
  assert {
    condition     = aws_appautoscaling_target.this[0].resource_id == "service/ml/headgate"
    error_message = "The number of tasks follows the load."
  }
  assert {
    condition     = length(aws_ecs_service.this.alarms) == 0
    error_message = "Without names of alarms there is no block of alarms."
  }
}

run "alarms" {
  variables {
    deployment_alarm_names = ["HeadgateNoEndpoint-headgate-default"]
    autoscaling            = { enabled = false }
  }

  assert {
    condition     = aws_ecs_service.this.alarms[0].rollback && aws_ecs_service.this.alarms[0].enable
    error_message = "An alarm rolls back."
  }
  assert {
    condition     = length(aws_appautoscaling_target.this) == 0
    error_message = "Autoscaling can be left to others."
  }
}

run "wrong" {
  command = plan

  variables {
    name                              = "Headgate"
    cluster_arn                       = "ml"
    task_definition_arn               = "headgate:7"
    container_port                    = 0
    vpc_id                            = "vpc"
    subnet_ids                        = ["subnet-0123456789abcdef0"]
    task_security_group_id            = "default"
    target_group_arn                  = "blue"
    deregistration_delay_seconds      = 3601
    load_balancer_arn                 = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/headgate/0123456789abcdef"
    load_balancer_security_group_id   = "default"
    listener_arn                      = "443"
    listener_rule_priority            = 0
    public_name                       = "https://mlflow.example.com"
    certificate_arn                   = "mlflow.example.com"
    ssl_policy                        = "TLS13"
    test_port                         = 443
    test_cidrs                        = ["0.0.0.0/0"]
    desired_count                     = 1
    autoscaling                       = { min = 3, max = 2 }
    strategy                          = "ROLLING"
    canary_percent                    = 100
    canary_bake_minutes               = 1441
    bake_minutes                      = -1
    health_check_grace_period_seconds = -1
    permissions_boundary_arn          = "boundary"
  }

  expect_failures = [
    var.name, var.cluster_arn, var.task_definition_arn, var.container_port, var.vpc_id, var.subnet_ids,
    var.task_security_group_id, var.target_group_arn, var.deregistration_delay_seconds, var.load_balancer_arn,
    var.load_balancer_security_group_id, var.listener_arn, var.listener_rule_priority, var.public_name,
    var.certificate_arn, var.ssl_policy, var.test_port, var.test_cidrs, var.desired_count, var.autoscaling,
    var.strategy, var.canary_percent, var.canary_bake_minutes, var.bake_minutes,
    var.health_check_grace_period_seconds, var.permissions_boundary_arn,
  ]
}
