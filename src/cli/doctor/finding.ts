/** One line of the doctor: how it stands, and what to do when it does not stand well. */
export type Finding = { level: 'ok' | 'warn' | 'fail'; name: string; says: string; advice?: string }

export const fine = (name: string, says: string): Finding => ({ level: 'ok', name, says })
export const odd = (name: string, says: string, advice: string): Finding => ({ level: 'warn', name, says, advice })
export const bad = (name: string, says: string, advice: string): Finding => ({ level: 'fail', name, says, advice })
