// The openai SDK for Node: responses and chats, whole and streamed, tools and schemas.
import assert from "node:assert/strict";
import OpenAI from "openai";

const model = "gpt-5.5";
const client = new OpenAI({ baseURL: process.env.LB_URL, apiKey: "any", maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];

const response = await client.responses.create({ model, input: "hello" });
assert.match(response.output_text, /hello/);

const helper = client.responses.stream({ model, input: "hello" });
assert.match((await helper.finalResponse()).output_text, /hello/);

const whole = await client.chat.completions.create({ model, messages });
assert.match(whole.choices[0].message.content, /hello/);
assert.equal(whole.choices[0].finish_reason, "stop");

const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true },
});
let text = "", usage;
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.match(text, /hello/);
assert.ok(usage.total_tokens > 0);

const tools = [{
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}];
const calling = client.chat.completions.stream({
  model, tools, messages: [{ role: "user", content: "use the weather tool" }],
});
const final = await calling.finalChatCompletion();
assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { city: "simulated" });
assert.equal(final.choices[0].finish_reason, "tool_calls");

await assert.rejects(
  client.chat.completions.create({ model: "gpt-5-codex", messages }),
  (error) => error.status === 400 && error.type === "endpoint_mismatch",
);
