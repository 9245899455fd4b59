// An app that uses @jitsu/js on a server: a customer looks, buys and gets some money back.
import { jitsuAnalytics } from '@jitsu/js'

const [host, key, userId] = process.argv.slice(2)
const client = jitsuAnalytics({ host, writeKey: `shop:${key}`, s2s: true })

await client.identify(userId, { city: '上海', age: 29 })
await client.track('Product Viewed', { product_id: 'p-1', category: '咖啡' })
await client.track('Product Viewed', { product_id: 'p-2', category: '咖啡' })
await client.track('Product Added', { product_id: 'p-1', quantity: 2 })
await client.track('Order Completed', { order_id: `${userId}-1`, revenue: 512.4, currency: 'CNY' })
await client.track('Order Refunded', { order_id: `${userId}-1`, revenue: 12.4, currency: 'CNY' })
