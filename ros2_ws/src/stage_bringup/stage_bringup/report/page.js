// The video's time moves a line through the chart; a click in the chart moves the video.
for (const episode of document.querySelectorAll("details.episode")) {
  const video = episode.querySelector("video");
  const chart = episode.querySelector("svg.chart");
  if (!video || !chart) continue;
  const clock = episode.querySelector(".clock");
  const playhead = chart.querySelector(".playhead");
  const left = Number(chart.dataset.left);
  const right = Number(chart.dataset.right);
  const duration = Number(chart.dataset.duration);
  const draw = () => {
    const x = left + (right - left) * Math.min(video.currentTime / duration, 1);
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
    clock.textContent = video.currentTime.toFixed(2) + " s";
    if (!video.paused) requestAnimationFrame(draw);
  };
  for (const event of ["play", "seeked", "timeupdate"]) video.addEventListener(event, draw);
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
    video.currentTime = Math.max(0, Math.min(1, (x - left) / (right - left))) * duration;
  });
}

// index.html#at=0.7 shows the first episode there, without controls: for a picture of the page.
const asked = /^#at=([\d.]+)$/.exec(location.hash);
const first = document.querySelector("details.episode video");
if (asked && first) {
  first.controls = false;
  const seek = () => { first.currentTime = Number(asked[1]) * first.duration; };
  if (first.readyState >= 1) seek();
  else first.addEventListener("loadedmetadata", seek);
}
