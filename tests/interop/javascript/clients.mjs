// Clients of JavaScript's libraries, told what to do by lines of JSON on standard input:
//
//   {"n": 1, "do": "open", "client": 7, "library": "sdk5", ...}   → {"n": 1, "ok": ...} or {"n": 1, "error": "..."}
//   {"n": 2, "do": "publish", "client": 7, "topic": ..., ...}
//   {"n": 3, "do": "disconnect", "client": 7}
//
// and between them, unasked: {"client": 7, "message": {"topic", "payload" (base64), "qos", "retain"}}.
// Each library is a function from what "open" says and a place for messages to {sessionPresent, subscribe, publish,
// disconnect}. It ends when its standard input does.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import tls from "node:tls";

import native from "aws-iot-device-sdk-v2";
import mqttjs from "mqtt";

globalThis.window = globalThis; // what the browser's half of the SDK looks for
const { default: browser } = await import("aws-iot-device-sdk-v2/dist/browser.js");

const EXPIRY = 3600;

// --- the AWS IoT Device SDK: MQTT 3.1.1 ---

async function sdk3(door, receive) {
  const { iot, mqtt } = native;
  const builder = door.websocket
    ? iot.AwsIotMqttConnectionConfigBuilder.new_with_websockets().with_credentials(
        door.region,
        door.accessKey,
        door.secretKey,
      )
    : iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(door.certificate, door.key);
  builder
    .with_endpoint(door.host)
    .with_port(door.port)
    .with_certificate_authority_from_path(undefined, door.ca)
    .with_client_id(door.clientId)
    .with_clean_session(door.clean)
    .with_keep_alive_seconds(30);
  if (door.will) {
    const { topic, payload, qos, retain } = door.will;
    builder.with_will(new mqtt.MqttWill(topic, qos, payload, retain));
  }
  const connection = new mqtt.MqttClient().new_connection(builder.build());
  return connected3(connection, receive);
}

async function connected3(connection, receive) {
  connection.on("message", (topic, payload, dup, qos, retain) => receive(topic, payload, qos, retain));
  connection.on("error", () => {}); // of a connection that was cut; the others are thrown
  const sessionPresent = await connection.connect();
  return {
    sessionPresent,
    subscribe: async (filter, qos) => (await connection.subscribe(filter, qos)).qos,
    publish: (topic, payload, qos, retain) => connection.publish(topic, payload, qos, retain),
    disconnect: () => connection.disconnect(),
  };
}

// --- the AWS IoT Device SDK: MQTT 5 ---

async function sdk5(door, receive) {
  const { auth, iot, mqtt5 } = native;
  const builder = door.websocket
    ? iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithSigv4Auth(door.host, {
        region: door.region,
        credentialsProvider: auth.AwsCredentialsProvider.newStatic(door.accessKey, door.secretKey),
      })
    : iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
        door.host,
        door.certificate,
        door.key,
      );
  builder.withPort(door.port).withCertificateAuthorityFromPath(undefined, door.ca);
  return connected5(mqtt5, builder, door, receive);
}

async function connected5(mqtt5, builder, door, receive) {
  const { Clean, RejoinAlways } = mqtt5.ClientSessionBehavior;
  const behavior = door.clean ? Clean : RejoinAlways;
  builder.withSessionBehavior(behavior).withConnectProperties({
    clientId: door.clientId,
    keepAliveIntervalSeconds: 30,
    sessionExpiryIntervalSeconds: door.clean ? 0 : EXPIRY,
    will: door.will ? { ...door.will, topicName: door.will.topic } : undefined,
  });
  const client = new mqtt5.Mqtt5Client(builder.build());
  client.on("messageReceived", ({ message }) =>
    receive(message.topicName, message.payload ?? "", message.qos, message.retain),
  );
  client.on("error", () => {});
  const outcome = new Promise((resolve, reject) => {
    client.on("connectionSuccess", ({ connack }) => resolve(connack.sessionPresent));
    client.on("connectionFailure", ({ error }) => reject(error));
  });
  const stop = async () => {
    const stopped = once(client, "stopped");
    client.stop({ reasonCode: 0 });
    await stopped;
    client.close?.();
  };
  client.start();
  try {
    return {
      sessionPresent: await outcome,
      subscribe: async (filter, qos) =>
        (await client.subscribe({ subscriptions: [{ topicFilter: filter, qos }] })).reasonCodes[0],
      publish: async (topic, payload, qos, retain) => {
        const puback = await client.publish({ topicName: topic, payload, qos, retain });
        if (qos && puback.reasonCode) throw new Error(`PUBACK ${puback.reasonCode}`);
      },
      disconnect: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

// --- the same, as a browser gets it: it signs the URL itself, for port 443, and leaves TLS to the browser ---

// Here the WebSocket is one for Node.js; it goes to the test's port instead of 443, trusts the node's CA, and shows
// one frame at a time, as a browser does.
function insteadOf443(door) {
  return {
    allowSynchronousEvents: false,
    createConnection: () =>
      tls.connect({ host: door.host, port: door.port, servername: door.host, ca: readFileSync(door.ca) }),
  };
}

async function browser3(door, receive) {
  const { iot, mqtt } = browser;
  const builder = iot.AwsIotMqttConnectionConfigBuilder.new_builder_for_websocket()
    .with_credentials(door.region, door.accessKey, door.secretKey)
    .with_endpoint(door.host)
    .with_client_id(door.clientId)
    .with_clean_session(door.clean)
    .with_keep_alive_seconds(30);
  if (door.will) {
    const { topic, payload, qos, retain } = door.will;
    builder.with_will(new mqtt.MqttWill(topic, qos, payload, retain));
  }
  const config = builder.build();
  Object.assign(config.websocket, insteadOf443(door));
  return connected3(new mqtt.MqttClient().new_connection(config), receive);
}

async function browser5(door, receive) {
  const { auth, iot, mqtt5 } = browser;
  const provider = new auth.StaticCredentialProvider({
    aws_access_id: door.accessKey,
    aws_secret_key: door.secretKey,
    aws_region: door.region,
  });
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithSigv4Auth(door.host, {
    region: door.region,
    credentialsProvider: provider,
  }).withWebsocketTransportOptions(insteadOf443(door));
  return connected5(mqtt5, builder, door, receive);
}

// --- MQTT.js ---

async function mqttJs(door, receive) {
  const five = door.version === 5;
  const url = door.websocket
    ? `wss://${door.host}:${door.port}${door.signedPath}`
    : `mqtts://${door.host}:${door.port}`;
  const client = mqttjs.connect(url, {
    ca: readFileSync(door.ca),
    ...(door.websocket
      ? { wsOptions: { ca: readFileSync(door.ca) } }
      : { cert: readFileSync(door.certificate), key: readFileSync(door.key) }),
    clientId: door.clientId,
    protocolVersion: door.version,
    clean: door.clean,
    properties: five && !door.clean ? { sessionExpiryInterval: EXPIRY } : undefined,
    will: door.will ?? undefined,
    keepalive: 30,
    reconnectPeriod: 0,
  });
  client.on("message", (topic, payload, packet) => receive(topic, payload, packet.qos, packet.retain));
  const [connack] = await once(client, "connect");
  client.on("error", () => {});
  return {
    sessionPresent: connack.sessionPresent,
    subscribe: async (filter, qos) => (await client.subscribeAsync(filter, { qos }))[0].qos,
    publish: (topic, payload, qos, retain) => client.publishAsync(topic, payload, { qos, retain }),
    disconnect: () => client.endAsync(),
  };
}

// --- told what to do ---

const LIBRARIES = { sdk3, sdk5, browser3, browser5, mqttJs };
const clients = new Map();

function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

const VERBS = {
  async open({ client, library, ...door }) {
    const receive = (topic, payload, qos, retain) => {
      // The SDK's empty payload on 3.1.1 is a detached ArrayBuffer, and what its callbacks throw ends the process.
      const bytes = payload.byteLength || payload.length ? Buffer.from(payload) : Buffer.alloc(0);
      tell({ client, message: { topic, payload: bytes.toString("base64"), qos, retain } });
    };
    clients.set(client, await LIBRARIES[library](door, receive));
    return clients.get(client).sessionPresent;
  },
  subscribe: ({ client, filter, qos }) => clients.get(client).subscribe(filter, qos),
  publish: ({ client, topic, payload, qos, retain }) =>
    clients.get(client).publish(topic, Buffer.from(payload, "base64"), qos, retain),
  disconnect: ({ client }) => {
    const known = clients.get(client);
    clients.delete(client);
    return known?.disconnect();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { n, do: verb, ...given } = JSON.parse(line);
  // Not awaited: what one client waits for holds up no other.
  Promise.resolve()
    .then(() => VERBS[verb](given))
    .then(
      (result) => tell({ n, ok: result ?? null }),
      (error) => tell({ n, error: `${error?.stack ?? error}` }),
    );
}
process.exit(0);
