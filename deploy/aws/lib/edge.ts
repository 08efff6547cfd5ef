import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront'
import { VpcOrigin } from 'aws-cdk-lib/aws-cloudfront-origins'
import type * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import * as s3 from 'aws-cdk-lib/aws-s3'
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2'
import type { Construct } from 'constructs'
import type { Settings } from './setting.ts'

type Props = StackProps & { settings: Settings; loadBalancer: elb.ApplicationLoadBalancer }

/** The way in: CloudFront with TLS, into the private load balancer. Nothing is cached. */
export class Edge extends Stack {
  constructor(scope: Construct, id: string, props: Props) {
    super(scope, id, props)
    const { settings, loadBalancer } = props
    const { domain } = settings
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: `${settings.name}: the REST gateway`,
      ...(domain
        ? { domainNames: [domain.name], certificate: Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn) }
        : {}),
      minimumProtocolVersion: domain ? cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021 : undefined,
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      enableLogging: true,
      logBucket: this.logBucket(settings),
      defaultBehavior: {
        origin: VpcOrigin.withApplicationLoadBalancer(loadBalancer, {
          protocolPolicy: cloudfront.OriginProtocolPolicy.HTTP_ONLY,
          // As long as the load balancer waits; a placed order may take `Prefer: wait`.
          readTimeout: Duration.seconds(60),
        }),
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        responseHeadersPolicy: cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
        compress: true,
      },
    })
    if (settings.size.webFirewall) this.addFirewall(loadBalancer)
    new CfnOutput(this, 'Url', { value: `https://${domain?.name ?? distribution.distributionDomainName}` })
  }

  private logBucket({ size }: Settings): s3.Bucket {
    return new s3.Bucket(this, 'Logs', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      encryption: s3.BucketEncryption.S3_MANAGED,
      objectOwnership: s3.ObjectOwnership.OBJECT_WRITER,
      enforceSSL: true,
      lifecycleRules: [{ expiration: Duration.days(90) }],
      removalPolicy: size.keepsData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
  }

  /** In front of the load balancer, so that it stands in the same region as all the rest. */
  private addFirewall(loadBalancer: elb.ApplicationLoadBalancer): void {
    const visible = (metricName: string) => ({ cloudWatchMetricsEnabled: true, sampledRequestsEnabled: true, metricName })
    const managed = (name: string, priority: number) => ({
      name,
      priority,
      overrideAction: { none: {} },
      statement: { managedRuleGroupStatement: { vendorName: 'AWS', name } },
      visibilityConfig: visible(name),
    })
    const acl = new CfnWebACL(this, 'Firewall', {
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visible('comanda'),
      rules: [managed('AWSManagedRulesKnownBadInputsRuleSet', 0), managed('AWSManagedRulesAmazonIpReputationList', 1)],
    })
    new CfnWebACLAssociation(this, 'FirewallInFront', { resourceArn: loadBalancer.loadBalancerArn, webAclArn: acl.attrArn })
  }
}
