// The version that the SDK tells the node, inside the seal. A test holds it equal to package.json.

export const VERSION = '0.1.0';
