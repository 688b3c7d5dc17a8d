import { z } from 'zod'
import { type FaultCode, type FaultDetail, faults } from '../base/fault.ts'

/** RFC 9457 problems: what every failure answers, made from the table of faults. */

export const problemType = 'application/problem+json'

export const problem = z
  .looseObject({
    type: z.string().describe('Relative address of the page that explains the fault: /problems/{code}.'),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().describe('What it was this time.'),
    instance: z.string().describe('Id of the request, as the log and the header x-request-id have it.'),
    code: z.enum(Object.keys(faults) as [FaultCode, ...FaultCode[]]),
    errors: z
      .array(
        z.strictObject({
          pointer: z.string().describe('RFC 6901 pointer into the body, or the name of a parameter or header.'),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })

export type Problem = z.output<typeof problem>

/** The problem of one occurrence of a fault. */
export function problemOf(
  code: FaultCode,
  detail: string,
  instance: string,
  errors: readonly FaultDetail[] = [],
): Problem {
  const { title, status } = faults[code]
  const said = { type: `/problems/${code}`, title, status, detail, instance, code }
  return errors.length === 0 ? said : { ...said, errors: [...errors] }
}

/** What `GET /problems/{code}` answers. */
export const faultPage = z
  .strictObject({
    code: z.string(),
    status: z.int(),
    title: z.string(),
    retry: z.boolean().describe('Whether the same request may succeed later, unchanged.'),
    hint: z.string(),
  })
  .meta({ id: 'FaultPage', description: 'What a fault is and what to do about it.' })

export const pageOfFault = (code: FaultCode): z.output<typeof faultPage> => ({ code, ...faults[code] })
