// The Vercel AI SDK: its OpenAI provider over both endpoints, and its compatible provider.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const options = { baseURL: process.env.LB_URL, apiKey: "any" };
const openai = createOpenAI(options);
const compatible = createOpenAICompatible({ ...options, name: "lb", includeUsage: true, supportsStructuredOutputs: true });
const models = { responses: openai.responses("gpt-5.5"), chat: openai.chat("gpt-5.5"), compatible: compatible("gpt-5.5") };
const weather = tool({
  description: "the weather",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});

for (const [name, model] of Object.entries(models)) {
  const whole = await generateText({ model, prompt: "hello", maxRetries: 0 });
  assert.match(whole.text, /hello/, name);
  assert.ok(whole.usage.totalTokens > 0, name);

  const stream = streamText({ model, prompt: "hello", maxRetries: 0 });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  assert.match(text, /hello/, name);
  assert.equal(await stream.finishReason, "stop", name);

  const acted = await generateText({
    model, tools: { weather }, prompt: "use the weather tool", stopWhen: stepCountIs(3), maxRetries: 0,
  });
  assert.match(acted.text, /rain in simulated/, name);

  const shaped = await generateText({
    model, prompt: "hello", maxRetries: 0,
    output: Output.object({ schema: z.object({ kind: z.string() }) }),
  });
  assert.equal(typeof shaped.output.kind, "string", name);
}
