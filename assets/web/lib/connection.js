// Waiting for a server that cannot be reached: a train's tunnel, a laptop's sleep, or a restart.
import { lose, say } from "./messages.js";
import { t } from "./texts.js";

const PAUSE = 1500; // ms between two attempts
/** @type {Promise<boolean> | null} */
let waiting = null;

async function reachable() {
  const answer = await fetch(location.pathname, { method: "HEAD", cache: "no-store" }).catch(() => null);
  return !!answer?.ok;
}

async function wait() {
  if (await reachable()) return false;
  do {
    lose(t("lost"));
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  } while (!(await reachable()));
  lose();
  say(t("back_again"));
  return true;
}

/**
 * Waits until the server can be reached.
 *
 * @returns {Promise<boolean>} whether it could not be reached
 */
export const untilBack = () => (waiting ??= wait().finally(() => (waiting = null)));
