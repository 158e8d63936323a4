// LangChain for JavaScript over chat completions, and over responses.
import assert from "node:assert/strict";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

for (const useResponsesApi of [false, true]) {
  const model = new ChatOpenAI({
    model: "gpt-5.5", apiKey: "any", maxRetries: 0, useResponsesApi,
    configuration: { baseURL: process.env.LB_URL },
  });
  const whole = await model.invoke("hello");
  assert.match(whole.text, /hello/);
  assert.ok(whole.usage_metadata.total_tokens > 0);

  let text = "";
  for await (const piece of await model.stream("hello")) text += piece.text;
  assert.match(text, /hello/);

  const schema = z.object({ city: z.string() });
  const calling = await model
    .bindTools([{ name: "weather", description: "the weather", schema }])
    .invoke("use the weather tool");
  assert.deepEqual(calling.tool_calls[0].args, { city: "simulated" });
}
