// An app that uses @rudderstack/rudder-sdk-node: a customer looks, buys and gets some money back.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [dataPlaneUrl, key, userId] = process.argv.slice(2)
const Client = RudderAnalytics.default ?? RudderAnalytics
const client = new Client(key, { dataPlaneUrl, flushInterval: 200 })
const track = (event, properties) => client.track({ userId, event, properties })

client.identify({ userId, traits: { city: '上海', age: 29 } })
track('Product Viewed', { product_id: 'p-1', category: '咖啡' })
track('Product Viewed', { product_id: 'p-2', category: '咖啡' })
track('Product Added', { product_id: 'p-1', quantity: 2 })
track('Order Completed', { order_id: `${userId}-1`, revenue: 512.4, currency: 'CNY' })
track('Order Refunded', { order_id: `${userId}-1`, revenue: 12.4, currency: 'CNY' })
await client.flush()
process.exit(0)
