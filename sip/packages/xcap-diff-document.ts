/** One document as the xcap-diff package follows it, whoever watches it. */
import type { Patch } from '../../schemas/xml/patch.ts';
import type { DocumentChange, DocumentKey, MaybePromise, StoredDocument } from '../../xcap/document-store.ts';
import type { Watch } from '../events/event-package.ts';
import type { Timer } from '../transport/timer-wheel.ts';
import { patchSize, type VersionTexts } from './xcap-diff-texts.ts';

/** A subscription that follows documents. */
export interface DocumentFollower {
  readonly watch: Watch;
  /** When it was told something last, in milliseconds since the epoch. */
  lastTold: number;
  /** Until it may be told again. */
  timer: Timer | undefined;
  readonly closed: boolean;
  /** The step of a document that it needs next; beyond all if it needs none. */
  toldSteps(tracked: TrackedDocument): number;
}

/** One change of a document, for those who are told of all of them in turn. */
export interface Step {
  readonly previousEtag: string | undefined;
  readonly newEtag: string | undefined;
  /** A promise while the two versions are still being compared. */
  patch: MaybePromise<Patch | undefined>;
  /** Characters that it takes, about. */
  size: number;
}

const MAX_STEPS = 5000;
const MAX_STEPS_SIZE = 2 * 1024 * 1024;

export class TrackedDocument {
  readonly key: DocumentKey;
  readonly stored: boolean;
  readonly followers = new Set<DocumentFollower>();
  /** Of the version there is now; undefined: none. */
  etag: string | undefined;
  /** Is it known whether there is one? */
  isLoaded = false;
  /** How many watchers are told of every single change. */
  stepReaders = 0;
  private readonly texts: VersionTexts;
  private holdsText = false;
  private steps: Step[] = [];
  private stepsSize = 0;
  /** Number of the first step kept; steps are numbered from 0 on. */
  private firstStep = 0;

  constructor(key: DocumentKey, stored: boolean, texts: VersionTexts) {
    this.key = key;
    this.stored = stored;
    this.texts = texts;
  }

  /** The text of the version there is now, as far as it is kept. */
  get text(): string | undefined {
    return this.etag !== undefined && this.holdsText ? this.texts.text(this.etag) : undefined;
  }

  /** Takes the document as it is. */
  load(document: StoredDocument | undefined): void {
    this.replace(document?.etag, document?.text);
  }

  /**
   * Takes a committed change; `document` is what is stored now, which may be newer than the change. The promise is there while the step
   * cannot be told yet.
   */
  change({ previousEtag, newEtag }: DocumentChange, document: StoredDocument | undefined): Promise<void> | undefined {
    const text = document !== undefined && document.etag === newEtag ? document.text : undefined;
    const before = previousEtag === this.etag ? this.text : undefined;
    this.replace(newEtag, text);
    if (this.stepReaders === 0) return undefined;
    const known = previousEtag !== undefined && newEtag !== undefined && before !== undefined && text !== undefined;
    const patch = known ? this.texts.patch(previousEtag, before, newEtag, text) : undefined;
    if (!(patch instanceof Promise)) {
      this.addStep({ previousEtag, newEtag, patch, size: patchSize(patch) });
      return undefined;
    }
    const step: Step = { previousEtag, newEtag, patch, size: (before?.length ?? 0) + (text?.length ?? 0) };
    this.addStep(step);
    return patch.then((made) => this.complete(step, made));
  }

  private complete(step: Step, patch: Patch | undefined): void {
    const { size } = step;
    step.patch = patch;
    step.size = patchSize(patch);
    // It may have been told without its patch, or be kept no longer.
    if (this.steps.includes(step)) this.stepsSize += step.size - size;
  }

  private replace(etag: string | undefined, text: string | undefined): void {
    const [before, held] = [this.etag, this.holdsText];
    this.isLoaded = true;
    this.etag = etag;
    this.holdsText = etag !== undefined && text !== undefined && this.texts.hold(etag, text);
    if (held && before !== undefined) this.texts.release(before);
  }

  private addStep(step: Step): void {
    this.steps.push(step);
    this.stepsSize += step.size;
    while (this.steps.length > MAX_STEPS || this.stepsSize > MAX_STEPS_SIZE) this.dropStep();
  }

  private dropStep(): void {
    this.stepsSize -= this.steps.shift()?.size ?? 0;
    this.firstStep++;
  }

  /** The number of the step that comes next. */
  get nextStep(): number {
    return this.firstStep + this.steps.length;
  }

  /** The steps from a number on; undefined when some of them are kept no longer. */
  stepsFrom(number: number): readonly Step[] | undefined {
    return number < this.firstStep ? undefined : this.steps.slice(number - this.firstStep);
  }

  /** Forgets the steps that everyone has been told of. */
  forgetTold(): void {
    if (this.steps.length === 0) return;
    let told = this.nextStep;
    for (const follower of this.followers) told = Math.min(told, follower.toldSteps(this));
    if (told >= this.nextStep) {
      this.firstStep = this.nextStep;
      this.steps = [];
      this.stepsSize = 0;
    } else while (this.firstStep < told) this.dropStep();
  }

  /** Nobody follows it any more. */
  close(): void {
    this.replace(undefined, undefined);
  }
}
