// An app that uses posthog-node: a customer looks, buys and gets some money back.
import { PostHog } from 'posthog-node'

const [host, key, distinctId] = process.argv.slice(2)
const client = new PostHog(key, { host })
client.on('error', (error) => console.log('failed:', error.message))
const track = (event, properties) => client.capture({ distinctId, event, properties })

client.identify({ distinctId, properties: { city: '上海', age: 29 } })
track('Product Viewed', { product_id: 'p-1', category: '咖啡' })
track('Product Viewed', { product_id: 'p-2', category: '咖啡' })
track('Product Added', { product_id: 'p-1', quantity: 2 })
track('Order Completed', { order_id: `${distinctId}-1`, revenue: 512.4, currency: 'CNY' })
track('Order Refunded', { order_id: `${distinctId}-1`, revenue: 12.4, currency: 'CNY' })
await client.shutdown()
