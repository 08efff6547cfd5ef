import { beforeAll, describe, expect, it } from 'vitest'
import { OWN_RULES } from '../lib/alarms.ts'
import { COLLECTED, METRICS_PORT, NAMESPACE } from '../lib/collector.ts'
import { GATEWAY_PORT, OWNERS, SERVICES } from '../lib/setting.ts'
import { ingressOf, look, PREFIX_LIST, SYNTHESIZED, settingsOf, type Templates } from './templates.ts'

const ALARM = 'AWS::CloudWatch::Alarm'

describe.each(['small', 'production'] as const)('around the services, in the size %s,', (size) => {
  let templates: Templates
  let see: ReturnType<typeof look>
  beforeAll(() => {
    ;({ templates } = SYNTHESIZED[size]())
    see = look(templates)
  })

  describe('data', () => {
    it('is encrypted, not public, speaks TLS only, and is kept as the size says', () => {
      const [[, cluster] = expect.unreachable()] = templates.data.of('AWS::RDS::DBCluster')
      expect(cluster.Properties).toMatchObject({
        StorageEncrypted: true,
        DeletionProtection: size === 'production',
        BackupRetentionPeriod: size === 'production' ? 35 : 7,
      })
      if (size === 'production') expect(cluster.Properties.StorageType).toBe('aurora-iopt1')
      const [[, parameters] = expect.unreachable()] = templates.data.of('AWS::RDS::DBClusterParameterGroup')
      expect(parameters.Properties.Parameters['rds.force_ssl']).toBe('1')
      const instances = templates.data.of('AWS::RDS::DBInstance')
      expect(instances).toHaveLength(size === 'production' ? 2 : 1)
      for (const [, { Properties }] of instances) expect(Properties.PubliclyAccessible).toBe(false)
    })

    it('is reached with a checked certificate, of the region, that does not run out', () => {
      for (const owner of OWNERS) {
        const { [`${owner.toUpperCase()}_DATABASE_URL`]: url, CA_CERTIFICATES: certificates } = settingsOf(see.programOf(owner))
        expect(JSON.stringify(url)).toContain('sslmode=verify-full')
        expect(String(certificates).match(/BEGIN CERTIFICATE/g)).toHaveLength(3)
        expect(JSON.stringify(see.taskOf(owner)).length).toBeLessThan(60_000) // a task definition has at most 64 KiB
      }
    })

    it('has a RabbitMQ 4 on m7g, which is the only kind it runs on, over TLS and not public', () => {
      const [[, { Properties }] = expect.unreachable()] = templates.data.of('AWS::AmazonMQ::Broker')
      expect(Properties).toMatchObject({ EngineType: 'RABBITMQ', PubliclyAccessible: false, AutoMinorVersionUpgrade: true })
      expect(Properties.EngineVersion).toMatch(/^4\./)
      expect(Properties.HostInstanceType).toMatch(/^mq\.m7g\./)
      expect(Properties.DeploymentMode).toBe(size === 'production' ? 'CLUSTER_MULTI_AZ' : 'SINGLE_INSTANCE')
      expect(JSON.stringify(settingsOf(see.programOf('orders')).BROKER_URL)).toContain('amqps://')
    })

    it('is open to the groups of its clients and to no address', () => {
      const ingress = ingressOf(templates.data)
      expect(ingress.length).toBeGreaterThanOrEqual(2)
      for (const rule of ingress) {
        expect(rule.CidrIp).toBeUndefined()
        expect(rule.SourceSecurityGroupId).toBeDefined()
      }
      // No rule of the data is written by the services' stack: else they could not be deployed apart.
      const targets = templates.services
        .of('AWS::EC2::SecurityGroupIngress')
        .map(([, { Properties }]) => JSON.stringify(Properties.GroupId))
      for (const target of targets) expect(target).not.toContain('Fn::GetStackOutput')
    })
  })

  describe('the way in', () => {
    it('is CloudFront, and the load balancer behind it lets in nobody else', () => {
      const [[, balancer] = expect.unreachable()] = templates.services.of('AWS::ElasticLoadBalancingV2::LoadBalancer')
      expect(balancer.Properties.Scheme).toBe('internal')
      const [group] = balancer.Properties.SecurityGroups
      const rules = ingressOf(templates.services).filter(({ GroupId }) => JSON.stringify(GroupId) === JSON.stringify(group))
      expect(rules).toEqual([expect.objectContaining({ SourcePrefixListId: PREFIX_LIST, FromPort: 80, ToPort: 80 })])
      const [[, distribution] = expect.unreachable()] = templates.edge.of('AWS::CloudFront::Distribution')
      expect(distribution.Properties.DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy).toBe('https-only')
      expect(distribution.Properties.DistributionConfig.Origins).toEqual([expect.objectContaining({ VpcOriginConfig: expect.anything() })])
      expect(templates.edge.of('AWS::CloudFront::VpcOrigin')).toHaveLength(1)
    })

    it('ends at a gateway that wants keys, is asked whether it is ready, and is let go within 30 seconds', () => {
      const environment = settingsOf(see.programOf('gateway'))
      expect(environment.ACCESS).toBe('keys')
      const [[, { Properties }] = expect.unreachable()] = templates.services.of('AWS::ElasticLoadBalancingV2::TargetGroup')
      expect(Properties).toMatchObject({ HealthCheckPath: '/readyz', HealthCheckIntervalSeconds: 10, Port: GATEWAY_PORT })
      expect(Properties.TargetGroupAttributes).toContainEqual({ Key: 'deregistration_delay.timeout_seconds', Value: '30' })
    })

    it.runIf(size === 'production')('has a firewall in front and TLS 1.2 at least', () => {
      expect(templates.edge.of('AWS::WAFv2::WebACLAssociation')).toHaveLength(1)
      const [[, { Properties }] = expect.unreachable()] = templates.edge.of('AWS::CloudFront::Distribution')
      expect(Properties.DistributionConfig.ViewerCertificate.MinimumProtocolVersion).toBe('TLSv1.2_2021')
    })

    it('is the only one: no group of the services is open to an address', () => {
      const rules = ingressOf(templates.services)
      expect(rules.length).toBeGreaterThan(OWNERS.length)
      for (const { CidrIp, CidrIpv6 } of rules) expect([CidrIp, CidrIpv6]).toEqual([undefined, undefined])
    })
  })

  describe('alarms', () => {
    const alarms = () => templates.services.of(ALARM).map(([, { Properties }]) => Properties)

    it('all go to the topic, which CloudWatch may use with its key', () => {
      for (const { AlarmActions } of alarms()) expect(AlarmActions).toHaveLength(1)
      const [[, { Properties }] = expect.unreachable()] = templates.foundation.of('AWS::KMS::Key')
      expect(Properties.KeyPolicy.Statement).toContainEqual(
        expect.objectContaining({ Principal: { Service: 'cloudwatch.amazonaws.com' }, Action: ['kms:Decrypt', 'kms:GenerateDataKey*'] }),
      )
    })

    it('watch what the services say themselves, never the depth that Amazon MQ does not tell', () => {
      expect(JSON.stringify(alarms())).not.toContain('AWS/AmazonMQ')
      const own = alarms().filter(({ Namespace }) => Namespace === NAMESPACE)
      expect(own.map(({ MetricName }) => MetricName).sort()).toEqual(
        Object.values(OWN_RULES)
          .flat()
          .map(({ metric }) => metric)
          .sort(),
      )
      expect([...new Set(own.map(({ MetricName }) => MetricName))].sort()).toEqual([...COLLECTED].sort())
    })

    it('ring when a service says nothing, and not because there is nothing to say', () => {
      const ofMissing = (told: string) => (told === 'always' ? 'breaching' : 'notBreaching')
      for (const name of SERVICES.filter((one) => OWN_RULES[one].length > 0)) {
        expect(OWN_RULES[name].map(({ told }) => told)).toContain('always')
        for (const { metric, told } of OWN_RULES[name]) {
          const one = alarms().find(({ MetricName, Dimensions }) => MetricName === metric && Dimensions[0].Value === name)
          expect(one, metric).toMatchObject({ TreatMissingData: ofMissing(told), Dimensions: [{ Name: 'service', Value: name }] })
        }
      }
    })

    it('ring too when a service is silent', () => {
      for (const name of SERVICES) {
        const cpu = alarms().find(({ AlarmDescription }) => AlarmDescription.startsWith(`${name}: no processor`))
        expect(cpu?.TreatMissingData).toBe('breaching')
      }
    })

    it('get their numbers from a collector beside each service, without which the service goes on', () => {
      for (const name of SERVICES) {
        expect(settingsOf(see.programOf(name)).METRICS_PORT).toBe(String(METRICS_PORT))
        const collector = see.containers(see.taskOf(name)).find(({ Name }) => Name === 'collector')
        expect(collector.Essential).toBe(false)
        const config = JSON.stringify(settingsOf(collector).AOT_CONFIG_CONTENT)
        for (const metric of COLLECTED) expect(config).toContain(metric)
        expect(config).toContain(`127.0.0.1:${METRICS_PORT}`)
        expect(settingsOf(see.programOf(name)).OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://127.0.0.1:4318')
        expect(config).toContain('127.0.0.1:4318')
      }
    })
  })

  it.runIf(size === 'production')('spans two zones, and its data is hard to delete', () => {
    expect(templates.foundation.of('AWS::EC2::NatGateway')).toHaveLength(2)
    expect(templates.data.of('AWS::RDS::DBCluster')[0]?.[1].DeletionPolicy).toBe('Snapshot')
  })
})
