// References to this app's functions. They are not typed: much of what the suite does is wrong on purpose.
export declare const api: any;
export declare const internal: any;
