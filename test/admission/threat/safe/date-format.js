export const isoDay = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 10);
