import { App } from 'aws-cdk-lib'
import { addStacks } from '../lib/stacks.ts'

addStacks(new App())
