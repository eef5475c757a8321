// The AWS IoT Device SDK's client of MQTT 5 with a custom authorizer: connects, and says with which reason code.
//
//   node custom_auth.mjs '{"door": "direct" | "websocket", "host", "port", "ca", "clientId", "shown": {…}}'

import native from "aws-iot-device-sdk-v2";

const { door, host, port, ca, clientId, shown } = JSON.parse(process.argv[2]);
const { iot, mqtt5 } = native;
const password = shown.password === undefined ? undefined : Buffer.from(shown.password);
const config = { ...shown, password };
const builder =
  door === "direct"
    ? iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithCustomAuth(host, config)
    : iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithCustomAuth(host, config);
builder
  .withPort(port)
  .withCertificateAuthorityFromPath(undefined, ca)
  .withConnectProperties({ clientId, keepAliveIntervalSeconds: 60 });
const client = new mqtt5.Mqtt5Client(builder.build());
const code = await new Promise((resolve) => {
  client.on("connectionSuccess", ({ connack }) => resolve(connack.reasonCode));
  client.on("connectionFailure", ({ connack, error }) => resolve(connack?.reasonCode ?? `${error}`));
  client.start();
});
const stopped = new Promise((resolve) => client.on("stopped", resolve));
client.stop();
await stopped;
console.log(code);
process.exit(0); // the runtime's threads would keep it
