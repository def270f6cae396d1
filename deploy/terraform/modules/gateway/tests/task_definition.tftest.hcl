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

run "task_definition" {
  command = apply

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].name == "headgate"
    error_message = "headgate ecs looks for a container called headgate."
  }

  assert {
    condition = alltrue([
      for name, value in {
        HEADGATE_UPSTREAMS__DEFAULT__URL         = "http://mlflow.ml.internal:5000"
        HEADGATE_UPSTREAMS__DEFAULT__HOST_HEADER = "mlflow.ml.internal:5000"
        HEADGATE_LISTEN__HOST                    = "0.0.0.0"
        HEADGATE_LISTEN__TRUSTED_PROXIES         = "10.0.1.0/24,10.0.1.0/24"
        HEADGATE_LIMITS__KEEPALIVE_TIMEOUT       = "315"
        HEADGATE_OPS__LISTEN                     = "127.0.0.1:9464"
      } : contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = name, value = value })
    ])
    error_message = "A variable of the gate has another value."
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [
      { name = "HEADGATE_AUTH__DATABASE_URL", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:gate-AbCdEf:url::" },
    ]
    error_message = "The URL of the database comes from the secret."
  }

  assert {
    condition     = length(setsubtract(keys(local.own_environment), concat(local.own_names, ["AWS_DEFAULT_REGION", "TMPDIR"]))) == 0
    error_message = "own_names lacks a variable that the module sets."
  }

  assert {
    condition = alltrue([
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem,
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.initProcessEnabled,
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"],
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "headgate", "health"],
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 90,
    ])
    error_message = "The container is read-only, has an init process, no capabilities, its own health check and 90 seconds to stop."
  }

  assert {
    condition     = aws_ecs_task_definition.this.skip_destroy
    error_message = "Earlier revisions stay, for a way back."
  }

  assert {
    condition     = aws_ssm_parameter.template.name == "/headgate/ml/headgate/template" && aws_ssm_parameter.template.insecure_value == aws_ecs_task_definition.this.arn
    error_message = "headgate ecs reads the ARN of the template from /headgate/CLUSTER/SERVICE/template."
  }

  assert {
    condition     = output.tracking_uri == "https://mlflow.example.com"
    error_message = "The tracking URI is that of the certificate's name."
  }

  assert {
    condition     = output.commands.status == "headgate ecs status --cluster ml --service headgate --region eu-central-1"
    error_message = "The command lines name cluster, service and region."
  }

  assert {
    condition     = strcontains(output.database_upgrade_command, "--task-definition headgate:7") && strcontains(output.database_upgrade_command, "{\"containerOverrides\":[{\"command\":[\"db\",\"upgrade\"],\"name\":\"headgate\"}]}")
    error_message = "The command that makes the tables names the template and overrides the gate's command."
  }
}
