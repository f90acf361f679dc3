// Tells who looks at another tab of the browser, or away, that a run has ended.
(() => {
  const ends = { done: "Done", stopped: "Stopped", failed: "Failed" };
  const title = document.title;
  const phases = new Map();
  let sounds = false;
  let audio = null;
  window.stepwise.signal = (wanted) => (sounds = Boolean(wanted));

  // Browsers play nothing before a person has done something on the page.
  document.addEventListener(
    "pointerdown",
    () => {
      if (sounds) (audio ??= new AudioContext()).resume();
    },
    true,
  );
  const chime = () => {
    audio ??= new AudioContext();
    if (audio.state !== "running") return; // else all would sound at once later
    [660, 880].forEach((pitch, index) => {
      const begin = audio.currentTime + index * 0.14;
      const tone = new OscillatorNode(audio, { frequency: pitch });
      const loudness = new GainNode(audio, { gain: 0 });
      loudness.gain.setValueAtTime(0.12, begin);
      loudness.gain.exponentialRampToValueAtTime(0.001, begin + 0.4);
      tone.connect(loudness).connect(audio.destination);
      tone.start(begin);
      tone.stop(begin + 0.4);
    });
  };

  window.stepwise.changed.push(() => {
    for (const status of document.querySelectorAll(".status")) {
      const phase = status.querySelector(".line")?.dataset.phase;
      const before = phases.get(status);
      if (!phase || phase === before) continue;
      phases.set(status, phase);
      if (!ends[phase] || !before || before === "idle" || ends[before]) continue;
      if (sounds) chime();
      if (document.hidden) document.title = `${ends[phase]} · ${title}`;
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.title = title;
  });
})();
