export const toBase64 = (text) => btoa(text);
export const greeting = 'SGVsbG8=';
