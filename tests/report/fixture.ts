/** A page's data, and what a page says. */
import { parseHTML } from 'linkedom';
import type { PageData } from '../../src/report/page/rows.js';

/** A partition of two texts; `changes` replace what it has. */
export function pageData(changes: Partial<PageData> = {}): PageData {
  return {
    partition: '2026-10-01',
    version: '1.2.3',
    missing: [],
    summary: {
      texts: 2,
      failed: 0,
      output_tokens: 1234,
      decode_steps: 400,
      tokens_per_step: 3.085,
      relaxed_tokens: 3,
      relaxed_share: 3 / 1234,
      divergence_mean: 0.75,
      users: 1,
      items: 1,
      user_cohorts: 1,
      item_cohorts: 1,
      prompts: 2,
      features: 2,
      seconds: 75,
    },
    stages: [
      { stage: 'segment', rows: 2, seconds: 0.012 },
      { stage: 'decode', rows: 2, seconds: 75 },
    ],
    phases: [
      { phase: 'load', seconds: 1 },
      { phase: 'model', seconds: 74 },
    ],
    settings: [{ name: 'model', value: '/models/a' }],
    comparison: undefined,
    frameworks: [
      {
        framework: 'kar',
        entity_type: 'item',
        texts: 2,
        prompt_tokens: 60.5,
        output_tokens: 617,
        tokens_per_step: 3.085,
        accepted_share: 0.5,
        relaxed_share: 0.0024,
      },
    ],
    draftedTexts: 2,
    depths: [
      { depth: 1, drafted: 300, accepted: 240, share: 0.8 },
      { depth: 32, drafted: 4, accepted: 1, share: 0.25 },
    ],
    matches: [{ match: 5, steps: 300, rows_per_step: 6, accepted_per_step: 2, share: 1 / 3 }],
    divergence: [
      { bin: 0, low: 0, high: 0, texts: 1 },
      { bin: 16, low: 1.40625, high: 1.5, texts: 1 },
    ],
    divergenceFigures: { median: 0.75, p90: 1.35, most: 1.5, texts: 1, budget: 4 },
    cohorts: [
      {
        entity_type: 'item',
        cohort: 'item-drama',
        entities: 1,
        texts: 2,
        tokens_per_step: 3.085,
        divergence_mean: 0.75,
      },
    ],
    traits: [
      {
        entity_type: 'item',
        cohort: 'item-drama',
        attribute: 'genre',
        value: 'Drama',
        share: 1,
        overall: 0.25,
      },
    ],
    members: [{ entity_type: 'item', cohort: 'item-drama', entity_id: '7', label: 'Ran' }],
    relaxed: [
      {
        prompt_id: 'kar:item:7',
        framework: 'kar',
        cohort: 'item-drama',
        output_tokens: 100,
        relaxed_tokens: 3,
        divergence: 1.5,
        text: 'A drama about power.',
        marks: [
          { start: 2, end: 7 },
          { start: 14, end: 19 },
        ],
        prompt: 'Describe Ran.',
      },
    ],
    slowest: [
      {
        prompt_id: 'kar:item:7',
        framework: 'kar',
        cohort: 'item-drama',
        prompt_tokens: 60,
        output_tokens: 100,
        decode_steps: 50,
        tokens_per_step: 2,
        finish_reason: 'stop',
        prompt: 'Describe Ran.',
      },
    ],
    evaluation: {
      texts: [
        {
          setting: 'relaxed',
          entity_type: 'item',
          framework: 'kar',
          texts: 600,
          tokens_per_step: 4.82,
          same_texts: 0.742,
          rouge_l: 0.979,
          divergence_mean: 0.39,
          divergence_max: 3.53,
          perplexity: 1.059,
          vector_distance: 0.003,
          entity_distance: 0.234,
        },
      ],
      clicks: [
        {
          setting: 'relaxed',
          auc: 0.8255,
          log_loss: 0.5064,
          auc_difference: 0.0007,
          auc_low: -0.0005,
          auc_high: 0.0017,
          verdict: 'non-inferior',
        },
      ],
      pairs: [
        {
          prompt_id: 'kar:item:7',
          framework: 'kar',
          setting: 'relaxed 4 nats',
          autoregressive: 'A drama about pride and war.',
          relaxed: 'A drama about power and war.',
          relaxed_tokens: 1,
          divergence: 0.7,
          marks: [{ start: 2, end: 7 }],
        },
      ],
      about: { prompts: 1100, ratings: 7935, seeds: 5, statement: 'relaxed: no worse', outdated: true },
    },
    endings: [{ ending: 'stop', texts: 2 }],
    errors: [],
    warnings: [],
    ...changes,
  };
}

/** A figure of a page: its exact value, and what people read. */
export interface Figure {
  name: string;
  key: string;
  value: number;
  shown: string;
}

export function figuresOf(page: string): Figure[] {
  const { document } = parseHTML(page);
  return [...document.querySelectorAll('[data-figure]')].map((element) => ({
    name: element.getAttribute('data-figure') ?? '',
    key: element.getAttribute('data-key') ?? '[]',
    value: Number(element.getAttribute('value') ?? Number.NaN),
    shown: element.textContent ?? '',
  }));
}

/** The text of a section. */
export function textOf(page: string, id: string): string {
  const { document } = parseHTML(page);
  return (document.getElementById(id)?.textContent ?? '').replaceAll(/\s+/g, ' ');
}
