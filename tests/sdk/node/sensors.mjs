// An app that uses sa-sdk-node, under the names that 神策 apps use.
import SensorsAnalytics from 'sa-sdk-node'

const [url, key, userId] = process.argv.slice(2)
const client = new SensorsAnalytics()
const submitter = client.submitTo({ url: `${url}/sa?project=default&token=${key}`, gzip: true, mode: 'track', timeout: 5000 })
submitter.catch((error) => console.log('failed:', error.message))
client.registerSuperProperties({ $is_login_id: true })

client.profileSet(userId, { $is_login_id: true, city: '上海', age: 29 })
client.track(userId, 'ViewProduct', { product_id: 'p-1', product_classify: '咖啡' })
client.track(userId, 'ViewProduct', { product_id: 'p-2', product_classify: '咖啡' })
client.track(userId, 'AddToCart', { product_id: 'p-1', product_quantity: 2 })
client.track(userId, 'SubmitOrder', { order_id: `${userId}-1`, order_actual_amount: 512.4 })
client.track(userId, 'RefundOrder', { order_id: `${userId}-1`, refund_amount: 12.4 })
