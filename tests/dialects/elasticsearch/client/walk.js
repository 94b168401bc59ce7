// node walk.js <package> <url> <token>: searches, fails and walks as a program would; prints what it saw as JSON.
const [name, node, token] = process.argv.slice(2)
const { Client, errors } = require(name)
const index = 'coco_attachment'

async function refusal (call) {
  try {
    await call()
  } catch (error) {
    return [error instanceof errors.ResponseError, error.statusCode, error.body.error.type]
  }
}

async function main () {
  const client = new Client({ node, auth: { apiKey: token }, maxRetries: 0 })
  const seen = {}
  seen.ping = await client.ping()
  seen.tagline = (await client.info()).tagline
  seen.count = (await client.count({ index })).count
  const found = await client.search({ index, query: { match: { name: 'REPORT' } }, aggs: { s: { terms: { field: 'session' } } } })
  seen.found = found.hits.hits.map(hit => [hit._index, hit._source.name])
  seen.buckets = found.aggregations.s.buckets
  const several = await client.msearch({ searches: [{ index }, { query: { match_all: {} }, size: 0 }, { index }, { size: 1 }] })
  seen.several = several.responses.map(each => each.hits.total.value)
  seen.refused = await refusal(() => client.search({ index, query: { script: { script: '1' } } }))
  seen.unknown = await refusal(() => client.search({ index: 'other' }))
  const stranger = new Client({ node, auth: { bearer: 'wrong' }, maxRetries: 0 })
  seen.stranger = await refusal(() => stranger.search({ index }))

  // The helpers: those that search work, the one that scrolls is refused.
  seen.helped = (await client.helpers.search({ index, query: { match: { name: 'report' } } })).length
  const bulk = client.helpers.msearch({ operations: 2 })
  const counted = await Promise.all([1, 2, 3].map(size => bulk.search({ index }, { size })))
  bulk.stop()
  seen.helpedSeveral = counted.map(each => each.documents.length)
  seen.scrolled = await refusal(async () => { for await (const _ of client.helpers.scrollSearch({ index })) { } })

  const { id } = await client.openPointInTime({ index, keep_alive: '1m' })
  seen.walked = []
  let after
  for (;;) {
    const page = await client.search({ pit: { id, keep_alive: '1m' }, size: 2, sort: [{ created: 'asc' }], search_after: after })
    if (page.hits.hits.length === 0) break
    seen.walked.push(...page.hits.hits.map(hit => hit._id))
    after = page.hits.hits.at(-1).sort
  }
  seen.closed = (await client.closePointInTime({ id })).num_freed
  seen.gone = await refusal(() => client.search({ pit: { id } }))
  console.log(JSON.stringify(seen))
}

main().catch(error => { console.error(error); process.exit(1) })
