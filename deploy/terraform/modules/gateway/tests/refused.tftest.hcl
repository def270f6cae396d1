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

run "unknown_variable_of_the_gate" {
  command = plan

  variables {
    environment = { HEADGATE_LISTEN_PORT = "8081" }
  }

  expect_failures = [var.environment]
}

run "unknown_variable_of_an_upstream" {
  command = plan

  variables {
    environment = { HEADGATE_UPSTREAMS__TEAM__ADDRESS = "http://mlflow:5000" }
  }

  expect_failures = [var.environment]
}

run "variable_of_something_else" {
  command = plan

  variables {
    environment = { HEADGAET_LIMITS__HEADERS = "100" }
  }

  expect_failures = [var.environment]
}

run "variable_that_the_module_sets" {
  command = plan

  variables {
    environment = { HEADGATE_LISTEN__HOST = "127.0.0.1" }
  }

  expect_failures = [var.environment]
}

run "secret_in_the_environment" {
  command = plan

  variables {
    environment = { HEADGATE_AUTH__DATABASE_URL = "postgresql://…" }
  }

  expect_failures = [var.environment]
}

run "unknown_secret" {
  command = plan

  variables {
    environment_secrets = { HEADGATE_AUTH__PASSWORD = "arn:aws:ssm:eu-central-1:123456789012:parameter/x" }
  }

  expect_failures = [var.environment_secrets]
}

run "database_url_itself" {
  command = plan

  variables {
    database_url_secret_arn = "postgresql://headgate:canary@db/headgate"
  }

  expect_failures = [var.database_url_secret_arn]
}

run "two_first_keys" {
  command = plan

  variables {
    first_key_sha256            = "1111111111111111111111111111111111111111111111111111111111111111"
    first_key_sha256_secret_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/x"
  }

  expect_failures = [var.first_key_sha256]
}

run "first_key_itself" {
  command = plan

  variables {
    first_key_sha256 = "hg_0123456789"
  }

  expect_failures = [var.first_key_sha256]
}

run "stop_timeout_too_short" {
  command = plan

  variables {
    drain_timeout = 90
  }

  expect_failures = [var.stop_timeout]
}

run "stop_timeout_too_long" {
  command = plan

  variables {
    stop_timeout = 121
  }

  expect_failures = [var.stop_timeout]
}

run "memory_that_fargate_has_not" {
  command = plan

  variables {
    cpu    = 256
    memory = 4096
  }

  expect_failures = [var.memory]
}

run "image_without_version" {
  command = plan

  variables {
    image = "headgate"
  }

  expect_failures = [var.image]
}

run "latest_image" {
  command = plan

  variables {
    image = "example.com/headgate:latest"
  }

  expect_failures = [var.image]
}

run "no_certificate" {
  command = plan

  variables {
    certificate_arn = null
  }

  expect_failures = [var.certificate_arn]
}

run "nobody_may_connect" {
  command = plan

  variables {
    client_cidr_blocks = []
  }

  expect_failures = [var.client_cidr_blocks]
}

run "listener_and_load_balancer" {
  command = plan

  variables {
    listener_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shared/0/1"
  }

  expect_failures = [var.listener_arn]
}

run "no_security_group_of_the_load_balancer" {
  command = plan

  variables {
    create_load_balancer = false
    listener_arn         = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shared/0/1"
  }

  expect_failures = [var.load_balancer_security_group_id]
}

run "believes_everybody" {
  command = plan

  variables {
    trusted_proxies = ["0.0.0.0/0"]
  }

  expect_failures = [var.trusted_proxies]
}

run "url_with_path" {
  command = plan

  variables {
    upstream_url = "http://mlflow.ml.internal:5000/mlflow"
  }

  expect_failures = [var.upstream_url]
}

run "srv_with_port" {
  command = plan

  variables {
    upstream_url = "srv+http://mlflow.ml.internal:5000"
  }

  expect_failures = [var.upstream_url]
}

run "public_url" {
  command = plan

  variables {
    public_name = "https://mlflow.example.com"
  }

  expect_failures = [var.public_name]
}

run "one_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa"]
  }

  expect_failures = [var.subnet_ids]
}

run "no_metric_to_scale_by" {
  command = plan

  variables {
    cloudwatch_metrics = false
  }

  expect_failures = [var.autoscaling]
}

run "too_few_tasks" {
  command = plan

  variables {
    desired_count = 1
  }

  expect_failures = [var.desired_count]
}

run "privileged_port" {
  command = plan

  variables {
    port = 443
  }

  expect_failures = [var.port]
}

run "rule_to_nowhere" {
  command = plan

  variables {
    egress_rules = { mlflow = { port = 5000 } }
  }

  expect_failures = [var.egress_rules]
}

run "rule_to_two" {
  command = plan

  variables {
    egress_rules = { mlflow = { port = 5000, cidr_ipv4 = "10.0.0.0/24", security_group_id = "sg-0123456789abcdef0" } }
  }

  expect_failures = [var.egress_rules]
}

run "registered_with_another_port" {
  command = plan

  variables {
    registry = { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1", port = 9000 }
  }

  expect_failures = [var.registry]
}

run "days_that_cloudwatch_has_not" {
  command = plan

  variables {
    log_retention_days = 42
  }

  expect_failures = [var.log_retention_days]
}

run "name_of_a_cluster" {
  command = plan

  variables {
    cluster_arn = "ml"
  }

  expect_failures = [var.cluster_arn]
}
