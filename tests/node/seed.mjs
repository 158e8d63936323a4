// LLMTR's own example for JavaScript, unchanged but for host and key.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.LB_URL,
  apiKey: "sk_your_key",
});

const response = await client.responses.create({
  model: "openai/gpt-5.3-codex:max",
  input: "Explain the O(n) optimization",
});

console.log(response.output_text);
