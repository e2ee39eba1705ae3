import './ui.js'; // the theme
if (location.search.includes('wrong')) {
  document.getElementById('wrong').hidden = false;
  document.getElementById('field').classList.add('wrong');
}
