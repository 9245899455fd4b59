// An app that uses @segment/analytics-node: a customer looks, buys and gets some money back.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, userId] = process.argv.slice(2)
const client = new Analytics({ writeKey, host, path: '/v1/batch', flushInterval: 200, maxRetries: 3 })
client.on('error', (error) => console.log('failed:', error.code))
const track = (event, properties) => client.track({ userId, event, properties })

client.identify({ userId, traits: { city: '上海', age: 29 } })
track('Product Viewed', { product_id: 'p-1', category: '咖啡' })
track('Product Viewed', { product_id: 'p-2', category: '咖啡' })
track('Product Added', { product_id: 'p-1', quantity: 2 })
track('Order Completed', { order_id: `${userId}-1`, revenue: 512.4, currency: 'CNY' })
track('Order Refunded', { order_id: `${userId}-1`, revenue: 12.4, currency: 'CNY' })
await client.closeAndFlush({ timeout: 20000 })
